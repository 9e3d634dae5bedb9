//! Carries out what is asked about the own account.

use super::state::account::{AccountAnswer, AccountCall};
use invigil_client::ClientError;
use invigil_client::rest::Api;

pub async fn ask(api: &Api, token: &str, call: AccountCall) -> Result<AccountAnswer, ClientError> {
    Ok(match call {
        AccountCall::Read => AccountAnswer::Read(api.account(token).await?),
        AccountCall::ChangePassword { password, new_password } => {
            let answer = api.change_password(token, &password, &new_password).await?;
            AccountAnswer::PasswordChanged(Box::new(answer))
        }
        AccountCall::Offer { password } => AccountAnswer::Offered(api.offer_second_factor(token, &password).await?),
        AccountCall::Confirm { code } => AccountAnswer::Confirmed(api.confirm_second_factor(token, &code).await?),
        AccountCall::TurnOff { password, code } => {
            AccountAnswer::Off(api.drop_second_factor(token, &password, &code).await?)
        }
    })
}
