//! Who watches whom, as the wall shows it, and words to many.

use super::tests::*;
use super::*;
use invigil_shared::role::Role;
use invigil_shared::timeline::{Presence, TimelineBody};

#[test]
fn the_team_says_who_watches_whom_and_who_has_nobody() {
    let mut state = on_the_wall(4);
    let user = |n: u8| UserId::from_parts(5, [n; 10]);
    let load = |n: u8, name: &str, here: Vec<ParticipantId>, candidates: Vec<ParticipantId>| ProctorLoad {
        proctor: user(n),
        name: name.to_owned(),
        role: Role::Proctor,
        here,
        candidates,
    };
    let proctors = vec![
        load(1, "Ann", vec![], vec![who(1)]),
        load(2, "Pat", vec![who(201), who(200)], vec![who(2), who(3)]),
    ];
    state.handle(Input::Assignments { ratio: 2, proctors }, 0);
    let finished = ParticipantInfo {
        presence: Presence::Finished,
        ..participant(3)
    };
    state.handle(Input::Participant(finished), 0);
    let view = state.view();
    let rows: Vec<_> = view
        .team
        .proctors
        .iter()
        .map(|row| (row.name.as_str(), row.you, row.here, row.candidates))
        .collect();
    assert_eq!(rows, [("Pat", true, Some(who(200)), 1), ("Ann", false, None, 1)]);
    assert_eq!((view.team.ratio, view.team.unassigned), (2, 1));
    let of: Vec<_> = view.candidates.iter().map(|tile| tile.proctor).collect();
    assert_eq!(of, [Some(user(1)), Some(user(2)), Some(user(2)), None]);
}

#[test]
fn only_leads_ask_for_what_leads_do() {
    let to = UserId::from_parts(5, [1; 10]);
    let asked = || {
        let (participants, from) = (vec![who(1)], None);
        [
            ProctorCommand::MuteAll { muted: true },
            ProctorCommand::Reassign { participants, from, to },
            ProctorCommand::Team {
                participant: who(200),
                act: TeamAct::ChangeRole { role: Role::Lead },
            },
        ]
    };
    let mut state = on_the_wall(2);
    for ask in asked() {
        assert_eq!(command(&mut state, ask), []);
    }
    let mut leading = room(2);
    leading.you.role = Role::Lead;
    state.handle(Input::Room(Box::new(leading)), 0);
    for ask in asked() {
        assert_eq!(command(&mut state, ask).len(), 1);
    }
}

#[test]
fn a_broadcast_is_one_line_that_says_how_far_it_has_come() {
    let mut state = on_the_wall(3);
    let say = |text: &str| ProctorCommand::Broadcast {
        audience: Audience::Everyone,
        text: text.to_owned(),
    };
    assert_eq!(command(&mut state, say("  ")), []);
    assert_eq!(
        command(&mut state, say(" Five minutes left. ")),
        [Effect::Broadcast(Audience::Everyone, "Five minutes left.".to_owned())]
    );
    assert_eq!(state.view().sending, Some(SendState::Sending));
    let message = MessageId::from_parts(6, [1; 10]);
    let body = TimelineBody::Broadcast {
        message,
        audience: Audience::Everyone,
        by: "Pat".to_owned(),
        text: "Five minutes left.".to_owned(),
        reach: Reach::default(),
    };
    state.handle(Input::Timeline(entry(1, 200, body)), 0);
    let reach = Reach {
        recipients: 3,
        delivered: 2,
        acknowledged: 1,
    };
    state.handle(Input::Reached(message, reach), 0);
    let timeline = state.view().timeline;
    assert_eq!(timeline.len(), 1);
    assert!(matches!(timeline[0].body, TimelineBody::Broadcast { reach: told, .. } if told == reach));
}
