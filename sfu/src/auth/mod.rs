//! Who someone is: tokens, passwords, roster secrets, device keys, and the keys of the server itself.

pub mod api_key;
pub mod challenge;
pub mod identity;
pub mod keys;
pub mod oidc;
pub mod password;
pub mod relay;
pub mod second_factor;
pub mod secret;
pub mod standing;
pub mod throttle;
pub mod token;

pub use api_key::ApiKeyUses;
pub use challenge::Challenges;
pub use identity::Identity;
pub use keys::ServerKeys;
pub use password::Passwords;
pub use standing::Standings;
pub use throttle::Throttle;
pub use token::Tokens;
