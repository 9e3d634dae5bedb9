//! What a browser that watches a whole exam plays: a publication on each m-line of its offer, and those that come later on lines
//! that are free. The lines were negotiated once, so nothing of it needs SDP.

use super::Control;
use crate::shard::Command;
use invigil_shared::id::ExamId;
use invigil_shared::intent::{Intent, Priority};
use invigil_shared::limits::{AUDIO_SLOTS, VIDEO_SLOTS};
use invigil_shared::publication::{Layer, PublicationRef};

/// An m-line that we send on.
#[derive(Clone, Copy, Default)]
struct Line {
    now: Option<PublicationRef>,
    /// What it carried last: a publication that comes back finds its line, while there are others that are free.
    last: Option<PublicationRef>,
}

/// The wish list of one browser's page.
pub(super) struct Viewer {
    layer: Layer,
    /// Of the wish list, as the shard counts.
    revision: u64,
    video: Vec<Line>,
    audio: Vec<Line>,
}

impl Viewer {
    /// For an offer with so many m-lines to send on.
    pub fn new(layer: Layer, video: usize, audio: usize) -> Self {
        Self {
            layer,
            revision: 0,
            video: vec![Line::default(); video.min(usize::from(VIDEO_SLOTS))],
            audio: vec![Line::default(); audio.min(usize::from(AUDIO_SLOTS))],
        }
    }

    /// Puts what there is on lines, in its order, and takes off what has gone. False when nothing changed.
    pub fn place(&mut self, sources: &[PublicationRef]) -> bool {
        let mut changed = false;
        for line in self.video.iter_mut().chain(&mut self.audio) {
            let gone = line.now.is_some_and(|source| !sources.contains(&source));
            if gone {
                (line.last, line.now) = (line.now, None);
                changed = true;
            }
        }
        for source in sources {
            let lines = if source.publication.kind.is_video() {
                &mut self.video
            } else {
                &mut self.audio
            };
            if lines.iter().any(|line| line.now == Some(*source)) {
                continue;
            }
            // Its own line, or one that nobody had, or any that is free.
            let rank = |line: &Line| match line.last {
                Some(last) if last == *source => 0,
                None => 1,
                Some(_) => 2,
            };
            let free = lines.iter_mut().filter(|line| line.now.is_none());
            if let Some(line) = free.min_by_key(|line| rank(line)) {
                line.now = Some(*source);
                changed = true;
            }
        }
        changed
    }

    /// The wish list: slot 0 is the first video line, [`VIDEO_SLOTS`] the first for sound.
    pub fn intents(&self) -> Vec<Intent> {
        let layer = self.layer;
        let wish = move |(slot, line): (u16, &Line)| {
            Some(Intent {
                slot,
                wanted: line.now?,
                layer,
                priority: Priority::Tile,
            })
        };
        let video = (0..).zip(&self.video).filter_map(wish);
        video.chain((VIDEO_SLOTS..).zip(&self.audio).filter_map(wish)).collect()
    }

    /// Numbers the wish list that is sent next.
    pub fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }
}

impl Control {
    /// Something was published in an exam, or is no more: pages that play the whole exam follow.
    pub(super) fn show_viewers(&self, exam: ExamId) {
        // The room is read under the lock of the pages, so that of two changes the newer one is what they get.
        let mut browsers = self.browsers.lock();
        let mut pages = browsers
            .values_mut()
            .filter(|resource| resource.exam == exam)
            .filter_map(|resource| Some((resource.peer, resource.viewer.as_mut()?)))
            .peekable();
        if pages.peek().is_none() {
            return;
        }
        let sources = self
            .room_of_exam(exam)
            .map(|room| room.state.lock().publications())
            .unwrap_or_default();
        for (subscriber, viewer) in pages {
            if !viewer.place(&sources) {
                continue;
            }
            let command = Command::SetIntents {
                subscriber,
                revision: viewer.next_revision(),
                intents: viewer.intents(),
            };
            self.post(subscriber, command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::ParticipantId;
    use invigil_shared::publication::PublicationKey;

    fn source(n: u8, publication: PublicationKey) -> PublicationRef {
        PublicationRef {
            participant: ParticipantId::from_parts(1, [n; 10]),
            publication,
        }
    }

    fn on_lines(viewer: &Viewer) -> Vec<(u16, PublicationRef)> {
        viewer.intents().iter().map(|i| (i.slot, i.wanted)).collect()
    }

    #[test]
    fn publications_take_the_lines_of_their_media_as_far_as_there_are_any() {
        let mut viewer = Viewer::new(Layer::Low, 2, 1);
        let [a, b, c] = [1, 2, 3].map(|n| source(n, PublicationKey::CAMERA));
        let sound = source(1, PublicationKey::MICROPHONE);
        assert!(viewer.place(&[a, b, c, sound]));
        assert_eq!(on_lines(&viewer), [(0, a), (1, b), (VIDEO_SLOTS, sound)]);
        assert!(!viewer.place(&[a, b, c, sound]), "nothing changed");
        assert!(Viewer::new(Layer::Low, 0, 1).intents().is_empty());
        assert_eq!(
            Viewer::new(Layer::Low, 1_000, 1_000).video.len(),
            usize::from(VIDEO_SLOTS)
        );
    }

    #[test]
    fn what_comes_later_takes_a_free_line_and_what_comes_back_its_own() {
        let mut viewer = Viewer::new(Layer::Low, 3, 0);
        let [a, b, c, d] = [1, 2, 3, 4].map(|n| source(n, PublicationKey::CAMERA));
        viewer.place(&[a]);
        assert!(viewer.place(&[a, b]));
        assert_eq!(on_lines(&viewer), [(0, a), (1, b)]);
        assert!(viewer.place(&[b]));
        assert!(
            viewer.place(&[b, c]),
            "a line that nobody had is taken before that of one who may come back"
        );
        assert_eq!(on_lines(&viewer), [(1, b), (2, c)]);
        assert!(viewer.place(&[a, b, c]));
        assert_eq!(on_lines(&viewer), [(0, a), (1, b), (2, c)]);
        viewer.place(&[b, c]);
        assert!(viewer.place(&[b, c, d]));
        assert_eq!(on_lines(&viewer), [(0, d), (1, b), (2, c)]);
        assert!(!viewer.place(&[a, b, c, d]), "no line is free");
    }
}
