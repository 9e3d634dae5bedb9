//! Which role may do what: the whole matrix, as data. Rules that depend on more than the role (whose exam, whose session)
//! stand in [`super::policy`]; this one is asked first.

use invigil_shared::api_key::ApiScope;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::role::Role;
use invigil_shared::signal::{Action, ClientMessage, Direction};

/// Something that a role may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// List exams.
    ReadExams,
    /// Enter any exam's room.
    EnterAnyRoom,
    /// Enter the room of the own sitting.
    SitExam,
    /// Publish camera, screen and microphone.
    Publish,
    /// Report what was seen on the own machine.
    ReportEvents,
    /// Hand in.
    Finish,
    /// Raise a hand, or ask again to be let in.
    Ask,
    /// Read what proctors wrote.
    ReadMessages,
    /// Write to the other side: a candidate to those who watch, they to one candidate.
    WriteMessages,
    /// Write to everybody who sits the exam, or to all of the own.
    Broadcast,
    /// Receive pictures and sound, and what that needs.
    Watch,
    /// Be noted as having looked at a candidate.
    Look,
    Warn,
    /// Let a waiting candidate in, ask again, or reject.
    Admit,
    /// Take a raised hand down.
    LowerHand,
    /// Pause, continue or lock one candidate.
    PauseOne,
    /// Give one candidate more time.
    ExtraTime,
    /// Mute one candidate, or let it be heard again.
    MuteOne,
    /// End one candidate's sitting.
    EndOne,
    PauseExam,
    MuteAll,
    Reassign,
    Remove,
    ChangeRole,
    CloseExam,
    /// Make exams and edit them.
    EditExams,
    /// Schedule exams, take them back, archive them.
    ScheduleExams,
    /// Read rosters.
    ReadRosters,
    /// See who was in an exam's room, and how their connection was.
    ReadParticipations,
    /// Edit rosters, with new secrets.
    EditRosters,
    /// Take a candidate's access away and give it back.
    RevokeSession,
    /// Keep an exam's or a candidate's data whatever the policy says, and let go again.
    HoldData,
    /// Erase what is kept of a candidate.
    EraseData,
    /// Say whom the server tells what happens.
    ManageWebhooks,
    /// List, invite and change people with an account.
    ManagePeople,
    /// Change the own password and second factor.
    ManageOwnAccount,
    /// Make, list and revoke API keys.
    ManageApiKeys,
}

/// The roles of the matrix, in the order of its columns.
pub const ROLES: [Role; 5] = [Role::Candidate, Role::Proctor, Role::Lead, Role::Reviewer, Role::Admin];

/// Who: `c`andidate, `p`roctor, `l`ead, `r`eviewer, `a`dmin; and API keys with a scope: `e` and `E` read and write exams, `s` and `S`
/// rosters. An admin may do in rooms what a lead may: in a small school they are
/// one person.
pub const MATRIX: &[(Act, &str, &str)] = &[
    (Act::ReadExams, "list exams", "plraeE"),
    (Act::EnterAnyRoom, "enter any room", "pla"),
    (Act::SitExam, "enter the room of the own sitting", "c"),
    (Act::Publish, "publish camera, screen, microphone", "c"),
    (Act::ReportEvents, "report integrity events", "c"),
    (Act::Finish, "hand in", "c"),
    (Act::Ask, "raise a hand, ask to be let in", "c"),
    (Act::ReadMessages, "acknowledge messages", "c"),
    (Act::WriteMessages, "write messages", "cpla"),
    (Act::Broadcast, "write to everybody at once", "pla"),
    (Act::Watch, "receive pictures and sound", "pla"),
    (Act::Look, "be noted as having looked", "pla"),
    (Act::Warn, "warn", "pla"),
    (Act::Admit, "admit, ask again, reject", "pla"),
    (Act::LowerHand, "see to a raised hand", "pla"),
    (Act::PauseOne, "pause, continue, lock one candidate", "pla"),
    (Act::ExtraTime, "give extra time", "pla"),
    (Act::MuteOne, "mute one candidate", "pla"),
    (Act::EndOne, "end one sitting", "pla"),
    (Act::PauseExam, "pause and continue the exam", "la"),
    (Act::MuteAll, "mute everybody", "la"),
    (Act::Reassign, "reassign candidates", "la"),
    (Act::Remove, "remove a participant", "la"),
    (Act::ChangeRole, "change a role", "la"),
    (Act::CloseExam, "close the exam", "la"),
    (Act::EditExams, "create and edit exams", "laE"),
    (Act::ScheduleExams, "schedule and archive exams", "laE"),
    (Act::ReadRosters, "read rosters", "lasS"),
    (
        Act::ReadParticipations,
        "see who was there, and how their connection was",
        "lra",
    ),
    (Act::EditRosters, "edit rosters", "laS"),
    (Act::RevokeSession, "take a candidate's access away, give it back", "la"),
    (Act::HoldData, "put data under a legal hold, let go", "la"),
    (Act::EraseData, "erase a candidate's data", "a"),
    (Act::ManageWebhooks, "say whom webhooks tell", "a"),
    (Act::ManagePeople, "list, invite, change, deactivate people", "a"),
    (
        Act::ManageOwnAccount,
        "change the own password and second factor",
        "plra",
    ),
    (Act::ManageApiKeys, "make, list, revoke API keys", "a"),
];

fn letter(role: Role) -> Option<char> {
    match role {
        Role::Candidate => Some('c'),
        Role::Proctor => Some('p'),
        Role::Lead => Some('l'),
        Role::Reviewer => Some('r'),
        Role::Admin => Some('a'),
        Role::Unknown => None,
    }
}

fn scope_letter(scope: ApiScope) -> char {
    match scope {
        ApiScope::ExamsRead => 'e',
        ApiScope::ExamsWrite => 'E',
        ApiScope::RostersRead => 's',
        ApiScope::RostersWrite => 'S',
    }
}

fn who_may(act: Act) -> &'static str {
    MATRIX.iter().find(|(row, ..)| *row == act).map_or("", |(.., who)| who)
}

/// Whether the role may.
pub fn may(role: Role, act: Act) -> bool {
    letter(role).is_some_and(|letter| who_may(act).contains(letter))
}

/// Whether an API key with these scopes may.
pub fn opens(scopes: &[ApiScope], act: Act) -> bool {
    let who = who_may(act);
    scopes.iter().any(|scope| who.contains(scope_letter(*scope)))
}

/// # Errors
/// `forbidden` when the role may not.
pub fn check(role: Role, act: Act) -> Result<(), ErrorBody> {
    if may(role, act) {
        return Ok(());
    }
    Err(ErrorCode::Forbidden.into())
}

/// What a request is; none for those that anybody may make who has authenticated.
pub fn of(message: &ClientMessage) -> Option<Act> {
    match message {
        ClientMessage::TransportCreate {
            direction: Direction::Publish,
        }
        | ClientMessage::Publish { .. }
        | ClientMessage::Unpublish { .. }
        | ClientMessage::PublicationFreshness { .. } => Some(Act::Publish),
        ClientMessage::TransportCreate {
            direction: Direction::Subscribe,
        }
        | ClientMessage::IntentsSet { .. }
        | ClientMessage::Subscribe { .. }
        | ClientMessage::KeyframeRequest { .. } => Some(Act::Watch),
        ClientMessage::IntegrityEvents { .. } => Some(Act::ReportEvents),
        ClientMessage::MessageSend { .. } => Some(Act::WriteMessages),
        ClientMessage::MessageBroadcast { .. } => Some(Act::Broadcast),
        ClientMessage::MessageAcknowledge { .. } => Some(Act::ReadMessages),
        ClientMessage::Action { action } => of_action(action),
        ClientMessage::HandRaise { .. } | ClientMessage::AdmissionRequest => Some(Act::Ask),
        ClientMessage::AttentionLook { .. } => Some(Act::Look),
        ClientMessage::SessionFinish => Some(Act::Finish),
        // Which room, and whose transport, is asked where it is known.
        ClientMessage::RoomJoin { .. }
        | ClientMessage::RoomLeave
        | ClientMessage::SdpOffer { .. }
        | ClientMessage::IceCandidate { .. }
        | ClientMessage::TransportConnect { .. }
        | ClientMessage::TransportClose { .. }
        | ClientMessage::StatsReport { .. }
        | ClientMessage::Ping { .. }
        | ClientMessage::AuthRequest { .. }
        | ClientMessage::AuthRefresh
        | ClientMessage::Resume { .. }
        | ClientMessage::Unknown => None,
    }
}

fn of_action(action: &Action) -> Option<Act> {
    match action {
        Action::Warn { .. } => Some(Act::Warn),
        Action::Admit { .. } | Action::AskAgain { .. } | Action::Reject { .. } => Some(Act::Admit),
        Action::Move { .. } | Action::RefuseMove { .. } => Some(Act::Admit),
        Action::LowerHand { .. } => Some(Act::LowerHand),
        Action::Pause { participant: None, .. } | Action::Continue { participant: None } => Some(Act::PauseExam),
        Action::Pause { .. } | Action::Continue { .. } | Action::Lock { .. } => Some(Act::PauseOne),
        Action::ExtraTime { .. } => Some(Act::ExtraTime),
        Action::Mute { .. } | Action::Unmute { .. } => Some(Act::MuteOne),
        Action::End { .. } => Some(Act::EndOne),
        Action::MuteAll | Action::UnmuteAll => Some(Act::MuteAll),
        Action::Reassign { .. } => Some(Act::Reassign),
        Action::Remove { .. } => Some(Act::Remove),
        Action::ChangeRole { .. } => Some(Act::ChangeRole),
        Action::Close { .. } => Some(Act::CloseExam),
        Action::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matrix once more, as people read it: changing a cell takes two hands. Behind the roles stand the scopes, where one opens it.
    const CELLS: &str = "
        ReadExams     - x x x x  x x - -
        EnterAnyRoom  - x x - x
        SitExam       x - - - -
        Publish       x - - - -
        ReportEvents  x - - - -
        Finish        x - - - -
        Ask           x - - - -
        ReadMessages  x - - - -
        WriteMessages x x x - x
        Broadcast     - x x - x
        Watch         - x x - x
        Look          - x x - x
        Warn          - x x - x
        Admit         - x x - x
        LowerHand     - x x - x
        PauseOne      - x x - x
        ExtraTime     - x x - x
        MuteOne       - x x - x
        EndOne        - x x - x
        PauseExam     - - x - x
        MuteAll       - - x - x
        Reassign      - - x - x
        Remove        - - x - x
        ChangeRole    - - x - x
        CloseExam     - - x - x
        EditExams     - - x - x  - x - -
        ScheduleExams - - x - x  - x - -
        ReadRosters   - - x - x  - - x x
        ReadParticipations - - x x x
        EditRosters   - - x - x  - - - x
        RevokeSession - - x - x
        HoldData      - - x - x
        EraseData     - - - - x
        ManageWebhooks - - - - x
        ManagePeople  - - - - x
        ManageOwnAccount - x x x x
        ManageApiKeys - - - - x";

    #[test]
    fn every_cell_is_as_it_was_agreed() {
        let rows: Vec<Vec<&str>> = CELLS
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|row| !row.is_empty())
            .collect();
        assert_eq!(rows.len(), MATRIX.len());
        for (row, (act, ..)) in rows.iter().zip(MATRIX) {
            assert_eq!(row[0], format!("{act:?}"));
            for (cell, role) in row[1..].iter().zip(ROLES) {
                assert_eq!(*cell == "x", may(role, *act), "{role:?} {act:?}");
            }
            assert!(!may(Role::Unknown, *act), "a role of a later version may nothing");
            let scopes = row[1..].iter().skip(ROLES.len()).chain(std::iter::repeat(&"-"));
            for (cell, scope) in scopes.zip(ApiScope::ALL) {
                assert_eq!(*cell == "x", opens(&[scope], *act), "{scope:?} {act:?}");
            }
            assert!(!opens(&[], *act), "a key without scopes may nothing");
        }
    }

    #[test]
    fn every_letter_of_the_matrix_is_somebody() {
        for (act, _, who) in MATRIX {
            for letter_of in who.chars() {
                let role = ROLES.iter().any(|role| letter(*role) == Some(letter_of));
                let scope = ApiScope::ALL.iter().any(|scope| scope_letter(*scope) == letter_of);
                assert!(role != scope, "{act:?}: {letter_of}");
            }
        }
    }

    #[test]
    fn the_readme_shows_this_matrix() {
        let readme = include_str!("../../README.md");
        for (_, words, who) in MATRIX {
            let cells = ROLES.map(|role| {
                let may = letter(role).is_some_and(|letter| who.contains(letter));
                if may { "yes" } else { "" }
            });
            let line = format!("| {words} | {} |", cells.join(" | "));
            assert!(readme.contains(&line), "sfu/README.md lacks: {line}");
        }
    }

    #[test]
    fn the_readme_shows_what_a_key_opens() {
        let readme = include_str!("../../README.md");
        for scope in ApiScope::ALL {
            let acts = MATRIX.iter().filter(|(act, ..)| opens(&[scope], *act));
            let words: Vec<_> = acts.map(|(_, words, _)| *words).collect();
            let line = format!("| `{}` | {} |", scope.as_str(), words.join("; "));
            assert!(readme.contains(&line), "sfu/README.md lacks: {line}");
        }
    }
}
