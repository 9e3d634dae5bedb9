//! The proctor's window, from signing in to the wall, without a window or a server.

use super::*;
use invigil_shared::binding::BindingState;
use invigil_shared::error::ErrorCode;
use invigil_shared::exam::{ExamInfo, Policy};
use invigil_shared::id::TimelineEntryId;
use invigil_shared::integrity::{IntegrityKind, Observer};
use invigil_shared::intent::Priority;
use invigil_shared::publication::{LayerOffer, SourceState};
use invigil_shared::role::Role;
use invigil_shared::sitting::Sitting;
use invigil_shared::stats::ConnectionLevel;
use invigil_shared::timeline::{Presence, Severity, TimelineBody};
use invigil_view::common::LinkView;
use invigil_view::proctor::{ExamStep, PictureRole};

pub(super) fn exam() -> ExamInfo {
    let id = ExamId::from_parts(1, [1; 10]);
    let (title, code) = ("Statistics I".to_owned(), "STAT-1".to_owned());
    ExamInfo {
        id,
        title,
        code,
        status: ExamStatus::Active,
        starts_at: 0,
        ends_at: 0,
        policy: Policy::default(),
    }
}

pub(super) fn who(n: u8) -> ParticipantId {
    ParticipantId::from_parts(2, [n; 10])
}

pub(super) fn participant(n: u8) -> ParticipantInfo {
    ParticipantInfo {
        id: who(n),
        role: Role::Candidate,
        label: format!("Candidate {n}"),
        seat: None,
        presence: Presence::Online,
        presence_since: 0,
        connection: ConnectionLevel::Good,
        looked_at: 0,
        sitting: Sitting::default(),
    }
}

pub(super) fn camera(n: u8) -> PublicationInfo {
    let offer = |rid, width| LayerOffer {
        rid,
        ssrc: None,
        rtx_ssrc: None,
        width,
        height: 180,
        fps: 10,
        kbps: 100,
    };
    let publication = PublicationKey::CAMERA;
    PublicationInfo {
        participant: who(n),
        publication,
        codec: "video/H264".to_owned(),
        layers: vec![offer(Layer::Low, 320), offer(Layer::High, 640)],
        freshness: Freshness {
            publication,
            state: SourceState::Live,
            captured_at: 1,
            changed_at: 1,
        },
        test_picture: false,
    }
}

pub(super) fn entry(n: u8, of: u8, body: TimelineBody) -> TimelineEntry {
    let id = TimelineEntryId::from_parts(3, [n; 10]);
    TimelineEntry {
        id,
        participant: who(of),
        at: i64::from(n),
        received_at: i64::from(n),
        body,
    }
}

pub(super) fn integrity(kind: IntegrityKind, seq: u64, begins: Option<u64>) -> TimelineBody {
    TimelineBody::Integrity {
        kind,
        seq,
        observer: Observer::System,
        confidence: 100,
        severity: Severity::Medium,
        begins,
    }
}

pub(super) fn room(n: u8) -> RoomState {
    let you = ParticipantInfo {
        role: Role::Proctor,
        ..participant(200)
    };
    let participants = (1..=n).map(participant).collect();
    let publications = (1..=n).map(camera).collect();
    let (timeline, messages) = (Vec::new(), Vec::new());
    RoomState {
        exam: exam(),
        you,
        server_time: 0,
        time_left: 0,
        participants,
        publications,
        timeline,
        chain: None,
        messages,
    }
}

pub(super) fn command(state: &mut ProctorState, command: ProctorCommand) -> Vec<Effect> {
    state.handle(Input::Command(command), 0).0
}

pub(super) fn sign_in() -> ProctorCommand {
    let (server, email) = ("exam.example.org".to_owned(), "p@example.org".to_owned());
    ProctorCommand::SignIn {
        server,
        email,
        password: "secret".to_owned(),
    }
}

pub(super) fn signed_in(start: Start) -> ProctorState {
    let mut state = ProctorState::new(start);
    assert_eq!(command(&mut state, sign_in()).len(), 1);
    let answer = SignInResponse {
        access_token: "token".to_owned(),
        expires_at: 0,
        participant: who(200),
        role: Role::Proctor,
        name: "Pat".to_owned(),
    };
    assert_eq!(
        state.handle(Input::SignedIn(Ok(Box::new(answer))), 0).0,
        [Effect::ListExams]
    );
    state
}

pub(super) fn listed() -> Input {
    Input::Exams(Ok(vec![ExamListItem {
        exam: exam(),
        roster: 3,
        online: 1,
        capacity: 100,
        revision: 4,
        started_at: None,
        ended_at: None,
        peak: 0,
        hold: None,
        erased_at: None,
    }]))
}

pub(super) fn on_the_wall(candidates: u8) -> ProctorState {
    let mut state = signed_in(Start {
        exam_code: Some("stat-1".to_owned()),
    });
    assert_eq!(state.handle(listed(), 0).0, [Effect::OpenRoom(exam().id)]);
    state.handle(Input::Linked, 0);
    state.handle(Input::Room(Box::new(room(candidates))), 0);
    assert_eq!(state.view().step, ProctorStep::Wall);
    state
}

pub(super) fn picture(tile: u16, n: u8, width: u16, role: PictureRole) -> WantedPicture {
    let source = PublicationRef {
        participant: who(n),
        publication: PublicationKey::CAMERA,
    };
    WantedPicture {
        tile,
        source,
        width,
        role,
    }
}

#[test]
fn signing_in_lists_exams_and_a_wrong_password_says_so() {
    let mut state = ProctorState::new(Start::default());
    command(&mut state, sign_in());
    let refused = CallFailure::Refused(ErrorCode::CredentialsWrong.into());
    state.handle(Input::SignedIn(Err(refused)), 0);
    assert_eq!(state.view().notice.unwrap().code, "credentials_wrong");
    let mut state = signed_in(Start::default());
    assert_eq!(state.handle(listed(), 0).0, []);
    let view = state.view();
    assert_eq!(
        (view.step, view.exams.len(), view.name.as_str(), view.busy),
        (ProctorStep::Exams, 1, "Pat", false)
    );
}

#[test]
fn fields_that_are_missing_are_named() {
    let mut state = ProctorState::new(Start::default());
    let set_up = ProctorCommand::SetUp {
        server: "e.org".to_owned(),
        setup_code: "AAAA".to_owned(),
        name: " ".to_owned(),
        email: "a@b".to_owned(),
        password: "x".to_owned(),
    };
    assert_eq!(command(&mut state, set_up), []);
    assert_eq!(state.view().notice.unwrap().params["field"], "name");
}

#[test]
fn a_changed_certificate_is_asked_about() {
    let mut state = ProctorState::new(Start::default());
    command(&mut state, sign_in());
    state.handle(Input::SignedIn(Err(CallFailure::Untrusted)), 0);
    state.handle(Input::Probed(Ok("ab".repeat(32))), 0);
    let effects = command(&mut state, ProctorCommand::Trust { accept: true });
    assert!(matches!(&effects[1], Effect::SignIn { pin: Some(_), .. }));
}

#[test]
fn only_what_is_visible_is_asked_for_and_only_when_it_changes() {
    let mut state = on_the_wall(3);
    let pictures = vec![
        picture(0, 1, 207, PictureRole::Tile),
        picture(1, 2, 900, PictureRole::Focus),
    ];
    let effects = command(
        &mut state,
        ProctorCommand::Show {
            pictures: pictures.clone(),
        },
    );
    let [Effect::Forget(tiles), Effect::SetIntents(intents)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(tiles, &[0, 1]);
    let mut wanted: Vec<_> = intents
        .iter()
        .map(|i| (i.wanted.participant, i.layer, i.priority))
        .collect();
    wanted.sort();
    assert_eq!(
        wanted,
        [
            (who(1), Layer::Low, Priority::Tile),
            (who(2), Layer::High, Priority::Focus)
        ]
    );
    assert_eq!(command(&mut state, ProctorCommand::Show { pictures }), []);
    let effects = command(&mut state, ProctorCommand::Show { pictures: Vec::new() });
    assert_eq!(effects, [Effect::Forget(vec![0, 1]), Effect::SetIntents(Vec::new())]);
}

#[test]
fn a_publication_that_comes_later_raises_the_layer() {
    let mut state = on_the_wall(1);
    let source = PublicationRef {
        participant: who(1),
        publication: PublicationKey::CAMERA,
    };
    state.handle(Input::PublicationRemoved(source), 0);
    command(
        &mut state,
        ProctorCommand::Show {
            pictures: vec![picture(0, 1, 900, PictureRole::Focus)],
        },
    );
    let effects = state.handle(Input::Publication(camera(1)), 0).0;
    assert!(matches!(effects.as_slice(), [Effect::SetIntents(intents)] if intents[0].layer == Layer::High));
}

#[test]
fn who_speaks_has_the_better_tile_for_as_long() {
    let mut state = on_the_wall(2);
    let pictures = vec![
        picture(0, 1, 207, PictureRole::Tile),
        picture(1, 2, 207, PictureRole::Tile),
    ];
    command(&mut state, ProctorCommand::Show { pictures });
    let heard = |level| {
        let participant = who(2);
        Input::Levels(vec![AudioLevel { participant, level }])
    };
    let priorities = |effects: &[Effect]| match effects {
        [] => None,
        [Effect::SetIntents(intents)] => Some(intents.iter().map(|intent| intent.priority).collect::<Vec<_>>()),
        other => panic!("{other:?}"),
    };
    let mut told = Vec::new();
    for quarter in 0..40 {
        let now = quarter * SECOND / 4;
        let mut effects = Vec::new();
        if quarter < 8 {
            effects.extend(state.handle(heard(25), now).0);
        }
        effects.extend(state.handle(Input::Tick, now).0);
        told.extend(priorities(&effects).map(|priorities| (quarter, priorities)));
    }
    let [(begins, up), (ends, down)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        (*begins, up.as_slice()),
        (2, [Priority::Tile, Priority::Flagged].as_slice())
    );
    assert!(*ends > 8 + 4, "a pause between two sentences changes nothing");
    assert_eq!(down.as_slice(), [Priority::Tile; 2]);
}

#[test]
fn a_signal_is_open_until_its_end_and_flags_the_tile() {
    let mut state = on_the_wall(1);
    command(
        &mut state,
        ProctorCommand::Show {
            pictures: vec![picture(0, 1, 207, PictureRole::Tile)],
        },
    );
    let lost = entry(1, 1, integrity(IntegrityKind::FocusLost, 7, None));
    let effects = state.handle(Input::Timeline(lost.clone()), 0).0;
    assert!(matches!(effects.as_slice(), [Effect::SetIntents(intents)] if intents[0].priority == Priority::Flagged));
    state.handle(
        Input::Timeline(entry(2, 1, integrity(IntegrityKind::CameraLost, 8, None))),
        0,
    );
    state.handle(
        Input::Timeline(entry(3, 1, integrity(IntegrityKind::CameraReturned, 9, Some(8)))),
        0,
    );
    assert_eq!(state.view().candidates[0].open_signal, Some(lost));
    state.handle(
        Input::Timeline(entry(4, 1, integrity(IntegrityKind::FocusReturned, 10, Some(7)))),
        0,
    );
    let view = state.view();
    assert_eq!(view.candidates[0].open_signal, None);
    assert_eq!(view.timeline.iter().map(|e| e.at).collect::<Vec<_>>(), [4, 3, 2, 1]);
}

#[test]
fn the_timeline_is_bounded_and_a_line_can_change() {
    let mut state = on_the_wall(1);
    for n in 0..=255 {
        state.handle(Input::Timeline(entry(n, 1, TimelineBody::Joined { resumed: false })), 0);
    }
    state.handle(
        Input::Timeline(entry(255, 1, TimelineBody::Joined { resumed: true })),
        0,
    );
    let view = state.view();
    assert_eq!(view.timeline.len(), super::super::room::MAX_TIMELINE);
    assert_eq!(view.timeline[0].body, TimelineBody::Joined { resumed: true });
}

#[test]
fn messages_count_until_they_are_read() {
    let mut state = on_the_wall(1);
    let message = |n| {
        let body = TimelineBody::Message {
            message: MessageId::from_parts(1, [n; 10]),
            kind: MessageKind::Chat,
            from_candidate: true,
            text: "?".to_owned(),
            delivered: true,
            acknowledged: false,
        };
        Input::Timeline(entry(n, 1, body))
    };
    state.handle(message(1), 0);
    assert_eq!(state.view().candidates[0].unread, 1);
    command(
        &mut state,
        ProctorCommand::Focus {
            participant: Some(who(1)),
        },
    );
    state.handle(message(2), 0);
    assert_eq!(state.view().candidates[0].unread, 0);
    command(
        &mut state,
        ProctorCommand::Focus {
            participant: Some(who(99)),
        },
    );
    assert_eq!(state.view().focus, None);
}

#[test]
fn freshness_is_a_quiet_change_unless_the_state_changes() {
    let mut state = on_the_wall(1);
    let fresh = |at, state| Freshness {
        publication: PublicationKey::CAMERA,
        state,
        captured_at: at,
        changed_at: at,
    };
    let (_, change) = state.handle(Input::Freshness(who(1), vec![fresh(5, SourceState::Live)]), 0);
    assert_eq!(
        (change, state.view().candidates[0].publications[0].captured_at),
        (Change::Quiet, 5)
    );
    let (_, change) = state.handle(Input::Freshness(who(1), vec![fresh(6, SourceState::Failed)]), 0);
    assert_eq!(change, Change::Prompt);
}

#[test]
fn a_reconnect_keeps_what_the_window_knew() {
    let mut state = on_the_wall(2);
    state.handle(
        Input::Timeline(entry(1, 1, integrity(IntegrityKind::FocusLost, 7, None))),
        0,
    );
    command(
        &mut state,
        ProctorCommand::Focus {
            participant: Some(who(1)),
        },
    );
    state.handle(Input::Unlinked, SECOND);
    assert_eq!(state.view().link, LinkView::Offline { since: SECOND });
    let mut again = room(2);
    again.timeline = vec![entry(1, 1, integrity(IntegrityKind::FocusLost, 7, None))];
    state.handle(Input::Linked, 21 * SECOND);
    state.handle(Input::Room(Box::new(again)), 21 * SECOND);
    let view = state.view();
    assert_eq!(
        (view.link, view.focus, view.timeline.len()),
        (LinkView::Back { offline_s: 20 }, Some(who(1)), 1)
    );
    assert!(view.candidates[0].open_signal.is_some());
}

#[test]
fn listening_moves_between_slots_and_ends_with_the_exam() {
    let mut state = on_the_wall(2);
    let effects = command(
        &mut state,
        ProctorCommand::Listen {
            participant: Some(who(1)),
        },
    );
    assert!(
        matches!(effects.as_slice(), [Effect::Listen(Some((64, _))), Effect::SetIntents(intents)] if intents.len() == 1)
    );
    let effects = command(&mut state, ProctorCommand::LeaveExam);
    assert_eq!(
        effects,
        [
            Effect::Listen(None),
            Effect::Forget(Vec::new()),
            Effect::LeaveRoom,
            Effect::ListExams
        ]
    );
    assert_eq!((state.view().listening, state.view().step), (None, ProctorStep::Exams));
    state.handle(Input::Room(Box::new(room(1))), 0);
    assert_eq!(state.view().step, ProctorStep::Exams, "a late answer opens nothing");
}

#[test]
fn a_message_shows_where_it_is() {
    let mut state = on_the_wall(1);
    let send = |text: &str| ProctorCommand::Send {
        to: who(1),
        kind: MessageKind::Warning,
        text: text.to_owned(),
    };
    assert_eq!(command(&mut state, send(" ")), []);
    assert_eq!(command(&mut state, send("Look here")).len(), 1);
    assert_eq!(state.view().sending, Some(SendState::Sending));
    let message = MessageId::from_parts(1, [9; 10]);
    let body = TimelineBody::Message {
        message,
        kind: MessageKind::Warning,
        from_candidate: false,
        text: "Look here".to_owned(),
        delivered: false,
        acknowledged: false,
    };
    state.handle(Input::Timeline(entry(1, 1, body)), 0);
    state.handle(
        Input::MessageSent {
            message,
            delivered: false,
        },
        0,
    );
    assert_eq!(state.view().sending, Some(SendState::Waiting));
    state.handle(
        Input::MessageSent {
            message,
            delivered: true,
        },
        0,
    );
    let shown = state.view().timeline.remove(0).body;
    assert!(matches!(
        shown,
        TimelineBody::Message {
            delivered: true,
            acknowledged: false,
            ..
        }
    ));
    state.handle(Input::MessageAcknowledged(message), 0);
    let shown = state.view().timeline.remove(0).body;
    assert!(matches!(shown, TimelineBody::Message { acknowledged: true, .. }));
    state.handle(Input::Tick, SENT_US);
    assert_eq!(state.view().sending, None);
    state.handle(Input::MessageFailed(ErrorCode::Forbidden.into()), 0);
    assert_eq!(
        (state.view().sending, state.view().notice.unwrap().code.as_str()),
        (Some(SendState::Failed), "forbidden")
    );
}

#[test]
fn the_selected_layer_is_the_one_that_flows() {
    let mut state = on_the_wall(1);
    let source = PublicationRef {
        participant: who(1),
        publication: PublicationKey::CAMERA,
    };
    let binding = |slot, layer, state| Binding {
        slot,
        source,
        layer: Some(layer),
        state,
    };
    let bindings = vec![
        binding(0, Layer::Low, BindingState::Active),
        binding(1, Layer::High, BindingState::Bandwidth),
    ];
    state.handle(Input::Bindings(bindings), 0);
    assert_eq!(state.view().candidates[0].publications[0].layer, Some(Layer::Low));
    state.handle(
        Input::LayerSelected {
            slot: 0,
            layer: Layer::High,
        },
        0,
    );
    assert_eq!(state.view().candidates[0].publications[0].layer, Some(Layer::High));
}

#[test]
fn candidates_stand_in_the_order_that_people_count_in() {
    let mut state = on_the_wall(10);
    state.handle(
        Input::Participant(ParticipantInfo {
            role: Role::Proctor,
            ..participant(50)
        }),
        0,
    );
    let labels: Vec<_> = state.view().candidates.into_iter().map(|c| c.label).collect();
    assert_eq!(
        (labels.len(), labels[1].as_str(), labels[9].as_str()),
        (10, "Candidate 2", "Candidate 10")
    );
    state.handle(Input::ParticipantLeft(who(1)), 0);
    assert_eq!(state.view().candidates[0].presence, Presence::Lost);
}

#[test]
fn only_a_lead_acts_on_the_whole_exam() {
    let mut state = on_the_wall(1);
    let pause = || ProctorCommand::Exam { step: ExamStep::Pause };
    assert!(!state.view().leads);
    assert_eq!(command(&mut state, pause()), []);
    for role in [Role::Lead, Role::Admin] {
        let mut entered = room(1);
        entered.you.role = role;
        state.handle(Input::Room(Box::new(entered)), 0);
        assert!(state.view().leads, "{role:?}");
        assert_eq!(command(&mut state, pause()), [Effect::ActOnExam(ExamStep::Pause)]);
    }
    let refused = ErrorBody::from(ErrorCode::ExamTransition);
    state.handle(Input::ActFailed(refused), 0);
    assert_eq!(
        state.view().notice.map(|notice| notice.code).as_deref(),
        Some("exam_transition")
    );
}
