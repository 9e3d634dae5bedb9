//! A muted participant's microphones reach nobody: no subscriber here or on another shard, no tap, no report of levels.

use super::world::*;
use crate::core::io::{Command, Direction, Event};
use crate::core::tap::tap;
use invigil_shared::publication::{Layer, PublicationKey, PublicationRef};

fn microphone(world: &mut World) {
    let mut offer = layer(Layer::Low, 77);
    offer.rtx_ssrc = None;
    let publish = Command::Publish {
        participant: person(1),
        publication: PublicationKey::MICROPHONE,
        codec: "audio/opus".into(),
        layers: vec![offer],
    };
    world.command(publish).unwrap();
}

fn say(world: &mut World, publisher: usize, sequence: u16, payload: &[u8]) {
    let media = Media {
        ssrc: 77,
        sequence,
        payload_type: OPUS,
        timestamp: u32::from(sequence) * 960,
        frame: None,
        level: Some(30),
        payload,
    };
    world.send(publisher, media);
}

fn mute(world: &mut World, muted: bool) {
    let participant = person(1);
    world.command(Command::SetMuted { participant, muted }).unwrap();
}

fn reports(world: &World) -> usize {
    let levels = |event: &&Event| matches!(event, Event::AudioLevels { .. });
    world.events.iter().filter(levels).count()
}

#[test]
fn whoever_is_muted_is_heard_by_nobody_and_seen_as_before() {
    let mut world = World::of(2);
    let publisher = world.candidate(1, 1);
    microphone(&mut world);
    let source = PublicationRef {
        participant: person(1),
        publication: PublicationKey::MICROPHONE,
    };
    // One lives on the publisher's shard, the other on the second one.
    let watchers = [9, 8].map(|who| {
        let at = world.join(who, 1, Direction::Subscribe, &pool(2));
        let wishes = vec![intent(0, camera(1), Layer::Low), intent(2, source, Layer::Low)];
        world.want(who, 1, wishes).unwrap();
        at
    });
    let (sender, reader) = tap(8);
    let layer = Layer::Low;
    let add = Command::AddTap {
        source,
        layer,
        tap: sender,
    };
    world.command(add).unwrap();
    let heard = |world: &World, words: &[u8]| {
        watchers.map(|at| world.peers[at].rtp.iter().filter(|got| got.payload() == words).count())
    };
    say(&mut world, publisher, 1, b"before");
    world.pass(500);
    assert_eq!(heard(&world, b"before"), [1, 1]);
    assert_eq!(&reader.try_next().unwrap().payload[..], b"before");
    let told = reports(&world);
    assert!(told > 0);

    mute(&mut world, true);
    say(&mut world, publisher, 2, b"muted");
    // What is announced anew while it holds is silent too.
    let unpublish = Command::Unpublish {
        participant: person(1),
        publication: PublicationKey::MICROPHONE,
    };
    world.frame(publisher, ssrcs(1).0, 1, true, b"picture");
    world.pass(500);
    assert_eq!(heard(&world, b"muted"), [0, 0]);
    assert_eq!(heard(&world, b"picture"), [1, 1], "only sound is taken away");
    assert!(reader.try_next().is_none());
    assert_eq!(reports(&world), told, "nor is it told that somebody speaks");
    world.command(unpublish).unwrap();
    microphone(&mut world);
    say(&mut world, publisher, 3, b"anew");
    world.pass(500);
    assert_eq!(heard(&world, b"anew"), [0, 0]);

    mute(&mut world, false);
    say(&mut world, publisher, 4, b"after");
    world.pass(500);
    assert_eq!(heard(&world, b"after"), [1, 1]);
}
