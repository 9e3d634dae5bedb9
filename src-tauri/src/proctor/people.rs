//! Carries out what is asked about people with an account.

use super::state::people::{PeopleAnswer, PeopleCall};
use invigil_client::ClientError;
use invigil_client::rest::{Api, PEOPLE_PAGE};

/// Accounts that are listed: a window with more would be of no use.
const MAX_LISTED: usize = 2_000;

pub async fn ask(api: &Api, token: &str, call: PeopleCall) -> Result<PeopleAnswer, ClientError> {
    match call {
        PeopleCall::List => {
            let mut users = Vec::new();
            while users.len() < MAX_LISTED {
                let after = users.last().map(|last: &invigil_shared::people::UserInfo| last.id);
                let page = api.users(token, after).await?;
                let last = page.len() < PEOPLE_PAGE;
                users.extend(page);
                if last {
                    break;
                }
            }
            Ok(PeopleAnswer::Listed(users))
        }
        PeopleCall::Invite(request) => {
            let link = api.invite(token, &request).await?;
            Ok(PeopleAnswer::Link(Box::new(link)))
        }
        PeopleCall::NewLink(user) => {
            let link = api.renew_link(token, user).await?;
            Ok(PeopleAnswer::Link(Box::new(link)))
        }
        PeopleCall::TakeSecondFactor(user) => {
            let user = api.take_second_factor(token, user).await?;
            Ok(PeopleAnswer::Changed(Box::new(user)))
        }
        PeopleCall::Unlink(user) => {
            let user = api.unlink_oidc(token, user).await?;
            Ok(PeopleAnswer::Changed(Box::new(user)))
        }
        PeopleCall::Change(user, change) => {
            let user = api.change_user(token, user, &change).await?;
            Ok(PeopleAnswer::Changed(Box::new(user)))
        }
    }
}
