//! Who may do what. Every rule of access stands here, as a function of facts.

use super::permission::{self, Act};
use crate::auth::Identity;
use crate::auth::identity::Person;
use crate::store::records::SessionRecord;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::exam::{Allowances, ExamInfo, ExamStatus, Policy, SourceRule};
use invigil_shared::intent::Intent;
use invigil_shared::limits::{
    AUDIO_SLOTS, EXAM_GRACE_S, MAX_CAMERAS, MAX_INTENTS, MAX_LAYERS, MAX_MICROPHONES, MAX_SCREENS, VIDEO_SLOTS,
};
use invigil_shared::publication::{Kind, LayerOffer, PublicationKey};
use invigil_shared::sitting::{Admission, Sitting};

/// Microseconds that a session stays after its exam's end.
pub const GRACE_US: i64 = EXAM_GRACE_S * 1_000_000;

/// When the exam ends for a candidate: extra time is a share of the scheduled duration.
pub fn candidate_end(exam: &ExamInfo, allowances: &Allowances) -> i64 {
    let duration = exam.ends_at.saturating_sub(exam.starts_at).max(0);
    exam.ends_at
        .saturating_add(duration.saturating_mul(i64::from(allowances.extra_time_percent)) / 100)
}

/// When the exam ends for a sitting: with what proctors gave and own pauses gave back.
pub fn sitting_end(exam: &ExamInfo, allowances: &Allowances, sitting: &Sitting) -> i64 {
    candidate_end(exam, allowances).saturating_add(sitting.extra_us())
}

/// Until when a candidate may come: one whose own clock stands is never too late.
pub fn open_until(exam: &ExamInfo, allowances: &Allowances, sitting: &Sitting) -> i64 {
    match sitting.pause {
        Some(_) => i64::MAX,
        None => sitting_end(exam, allowances, sitting),
    }
}

/// Whether a session may go on.
///
/// # Errors
/// `sitting_ended` and `not_admitted` with the reason, `exam_closed` when the candidate has handed in.
pub fn may_sit(session: &SessionRecord) -> Result<(), ErrorBody> {
    let sitting = &session.sitting;
    let because = |code: ErrorCode| Err(ErrorBody::from(code).with("reason", &sitting.reason));
    match (sitting.ended, sitting.admission, session.finished_at) {
        (true, ..) => because(ErrorCode::SittingEnded),
        (false, Admission::Rejected, _) => because(ErrorCode::NotAdmitted),
        (false, _, Some(_)) => Err(ErrorCode::ExamClosed.into()),
        (false, _, None) => Ok(()),
    }
}

/// Whether somebody who comes for the first time waits for a proctor, and whether that is because of being late.
pub fn waits(exam: &ExamInfo, now: i64) -> Option<bool> {
    let late = exam
        .policy
        .late_after_min
        .is_some_and(|minutes| now > exam.starts_at.saturating_add(i64::from(minutes) * 60_000_000));
    (late || exam.policy.admit_each).then_some(late)
}

/// Whether the exam's room is open. `end` is the end that counts for the person.
pub fn room_open(exam: &ExamInfo, end: i64, now: i64) -> Result<(), ErrorBody> {
    match exam.status {
        ExamStatus::Closed | ExamStatus::Archived => Err(ErrorCode::ExamClosed.into()),
        ExamStatus::Draft | ExamStatus::Scheduled | ExamStatus::Unknown => {
            Err(ErrorBody::from(ErrorCode::ExamNotOpen).with("starts_at", exam.starts_at))
        }
        // Its clock stands still: it is never too late.
        ExamStatus::Paused => Ok(()),
        _ if now > end.saturating_add(GRACE_US) => Err(ErrorCode::ExamClosed.into()),
        ExamStatus::Waiting | ExamStatus::Active => Ok(()),
    }
}

/// Whether someone may enter the room of an exam: a candidate only its own, people who watch any. Others learn nothing.
pub fn may_enter(identity: &Identity, exam: &ExamInfo) -> Result<(), ErrorBody> {
    match identity.person {
        Person::Candidate { exam: own, .. } if own == exam.id => permission::check(identity.role, Act::SitExam),
        Person::Candidate { .. } => Err(ErrorCode::Forbidden.into()),
        Person::User(_) => permission::check(identity.role, Act::EnterAnyRoom),
    }
}

/// Checks an announced publication against limits and the exam's policy.
pub fn may_publish(
    policy: &Policy,
    key: PublicationKey,
    codec: &str,
    layers: &[LayerOffer],
    test_picture: bool,
) -> Result<(), ErrorBody> {
    let invalid = |field: &str| Err(ErrorBody::from(ErrorCode::PublicationInvalid).with("field", field));
    let (rule, instances) = match key.kind {
        Kind::Camera => (policy.camera, MAX_CAMERAS),
        Kind::Screen => (policy.screen, MAX_SCREENS),
        Kind::Microphone => (policy.microphone, MAX_MICROPHONES),
    };
    let codec_known = match key.kind {
        Kind::Microphone => codec.eq_ignore_ascii_case("audio/opus"),
        _ => ["video/H264", "video/VP8"]
            .iter()
            .any(|known| codec.eq_ignore_ascii_case(known)),
    };
    if rule == SourceRule::Off || key.instance >= instances {
        return invalid("publication");
    }
    if !codec_known {
        return invalid("codec");
    }
    if test_picture && !policy.allow_test_picture {
        return invalid("test_picture");
    }
    let distinct = layers
        .iter()
        .enumerate()
        .all(|(i, a)| layers[..i].iter().all(|b| a.rid != b.rid));
    if layers.is_empty() || layers.len() > MAX_LAYERS || !distinct {
        return invalid("layers");
    }
    Ok(())
}

/// Checks the shape of a wish list: known slots, each once, pictures in video slots and sound in audio slots.
pub fn intents_valid(intents: &[Intent]) -> Result<(), ErrorBody> {
    if intents.len() > MAX_INTENTS {
        return Err(ErrorBody::from(ErrorCode::IntentInvalid).with("limit", MAX_INTENTS));
    }
    let mut taken = [false; MAX_INTENTS];
    for intent in intents {
        // A second pool is built like the first.
        let is_video_slot = intent.slot % (VIDEO_SLOTS + AUDIO_SLOTS) < VIDEO_SLOTS;
        let fits = intent.wanted.publication.kind.is_video() == is_video_slot;
        let free = taken
            .get_mut(usize::from(intent.slot))
            .is_some_and(|slot| !std::mem::replace(slot, true));
        if !fits || !free {
            return Err(ErrorBody::from(ErrorCode::IntentInvalid).with("slot", intent.slot));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::{ExamId, ParticipantId, SessionId, UserId};
    use invigil_shared::intent::Priority;
    use invigil_shared::publication::{Layer, PublicationRef};
    use invigil_shared::role::Role;

    fn exam(n: u8) -> ExamInfo {
        ExamInfo {
            id: ExamId::from_parts(1, [n; 10]),
            title: "T".into(),
            code: "CODE".into(),
            status: ExamStatus::Active,
            starts_at: 0,
            ends_at: 1_000_000,
            policy: Policy::default(),
        }
    }

    fn someone(role: Role, person: Person) -> Identity {
        Identity {
            participant: ParticipantId::from_parts(1, [9; 10]),
            role,
            person,
            generation: 0,
            expires_at: 0,
        }
    }

    #[test]
    fn nobody_enters_a_room_that_is_not_theirs() {
        let session = SessionId::from_parts(1, [3; 10]);
        let candidate = someone(
            Role::Candidate,
            Person::Candidate {
                session,
                exam: exam(1).id,
            },
        );
        assert!(may_enter(&candidate, &exam(1)).is_ok());
        assert!(may_enter(&candidate, &exam(2)).is_err());
        let user = Person::User(UserId::from_parts(1, [4; 10]));
        for (role, allowed) in [
            (Role::Proctor, true),
            (Role::Lead, true),
            (Role::Admin, true),
            (Role::Reviewer, false),
        ] {
            assert_eq!(may_enter(&someone(role, user), &exam(1)).is_ok(), allowed, "{role:?}");
        }
    }

    #[test]
    fn a_room_is_open_until_the_end_and_grace() {
        let e = exam(1);
        assert!(room_open(&e, e.ends_at, e.ends_at + GRACE_US).is_ok());
        assert_eq!(
            room_open(&e, e.ends_at, e.ends_at + GRACE_US + 1).unwrap_err().code,
            ErrorCode::ExamClosed
        );
        let draft = ExamInfo {
            status: ExamStatus::Draft,
            ..e.clone()
        };
        assert_eq!(
            room_open(&draft, e.ends_at, 0).unwrap_err().code,
            ErrorCode::ExamNotOpen
        );
        let longer = Allowances {
            extra_time_percent: 25,
            ..Allowances::default()
        };
        assert_eq!(candidate_end(&e, &longer), 1_250_000);
    }

    #[test]
    fn wish_lists_name_each_slot_once_and_of_its_kind() {
        let participant = ParticipantId::from_parts(1, [1; 10]);
        let intent = |slot, publication| Intent {
            slot,
            wanted: PublicationRef {
                participant,
                publication,
            },
            layer: Layer::Low,
            priority: Priority::Tile,
        };
        assert!(
            intents_valid(&[
                intent(0, PublicationKey::CAMERA),
                intent(64, PublicationKey::MICROPHONE)
            ])
            .is_ok()
        );
        for bad in [
            vec![intent(0, PublicationKey::CAMERA), intent(0, PublicationKey::SCREEN)],
            vec![intent(64, PublicationKey::CAMERA)],
            vec![intent(0, PublicationKey::MICROPHONE)],
            vec![intent(68, PublicationKey::MICROPHONE)],
            vec![intent(u16::MAX, PublicationKey::CAMERA)],
        ] {
            assert_eq!(intents_valid(&bad).unwrap_err().code, ErrorCode::IntentInvalid);
        }
    }

    #[test]
    fn publications_follow_policy_and_limits() {
        let layer = |rid| LayerOffer {
            rid,
            ssrc: None,
            rtx_ssrc: None,
            width: 1,
            height: 1,
            fps: 1,
            kbps: 1,
        };
        let policy = Policy {
            screen: SourceRule::Off,
            ..Policy::default()
        };
        let check = |key, codec, layers: &[_], test| may_publish(&policy, key, codec, layers, test).is_ok();
        assert!(check(
            PublicationKey::CAMERA,
            "video/H264",
            &[layer(Layer::Low), layer(Layer::High)],
            false
        ));
        let phone = PublicationKey {
            instance: 1,
            ..PublicationKey::CAMERA
        };
        let third = PublicationKey {
            instance: 2,
            ..PublicationKey::CAMERA
        };
        assert!(check(phone, "video/VP8", &[layer(Layer::High)], false));
        assert!(!check(third, "video/VP8", &[layer(Layer::High)], false));
        assert!(!check(
            PublicationKey::SCREEN,
            "video/H264",
            &[layer(Layer::Low)],
            false
        ));
        assert!(!check(
            PublicationKey::CAMERA,
            "audio/opus",
            &[layer(Layer::Low)],
            false
        ));
        assert!(!check(PublicationKey::CAMERA, "video/H264", &[], false));
        assert!(!check(
            PublicationKey::CAMERA,
            "video/H264",
            &[layer(Layer::Low), layer(Layer::Low)],
            false
        ));
        assert!(!check(PublicationKey::CAMERA, "video/H264", &[layer(Layer::Low)], true));
    }
}
