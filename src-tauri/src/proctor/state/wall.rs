//! The wall: entering and leaving a room, which pictures are wanted, what is written to a candidate.

use super::*;

impl ProctorState {
    pub(super) fn open(&mut self, exam: ExamId, effects: &mut Vec<Effect>) {
        if self.opening.is_none() {
            (self.busy, self.opening, self.notice, self.office) = (true, Some(exam), None, None);
            self.link.connecting();
            effects.push(Effect::OpenRoom(exam));
        }
    }

    pub(super) fn entered(&mut self, state: RoomState) {
        if self.opening.is_none() {
            return;
        }
        (self.busy, self.step) = (false, ProctorStep::Wall);
        self.leads = matches!(state.you.role, Role::Lead | Role::Admin);
        self.room.enter(state, self.focus);
        self.focus = self.focus.filter(|focus| self.room.has(*focus));
    }

    pub(super) fn leave(&mut self, effects: &mut Vec<Effect>) {
        if self.opening.take().is_none() {
            return;
        }
        let tiles = self.slots.show(&[]);
        self.audio.listen(None);
        (self.room, self.focus, self.listening, self.sending) = (Room::default(), None, None, None);
        self.voices = Voices::default();
        self.intents.clear();
        self.link.idle();
        (self.step, self.busy) = (ProctorStep::Exams, false);
        effects.extend([Effect::Listen(None), Effect::Forget(tiles), Effect::LeaveRoom]);
    }

    pub(super) fn show(&mut self, pictures: &[WantedPicture], effects: &mut Vec<Effect>) {
        if self.step != ProctorStep::Wall {
            return;
        }
        let changed = self.slots.show(pictures);
        if !changed.is_empty() {
            effects.push(Effect::Forget(changed));
        }
    }

    /// Sends the wish list when it differs from the last one.
    pub(super) fn wish(&mut self, effects: &mut Vec<Effect>) {
        if self.step != ProctorStep::Wall {
            return;
        }
        let (room, voices) = (&self.room, &self.voices);
        let stands_out = |source: PublicationRef| room.flagged(source.participant) || voices.speaks(source.participant);
        let mut intents = self.slots.intents(|source| room.layers(source), stands_out);
        intents.extend(self.audio.intent());
        if intents != self.intents {
            self.intents.clone_from(&intents);
            effects.push(Effect::SetIntents(intents));
        }
    }

    pub(super) fn send(
        &mut self,
        to: ParticipantId,
        kind: MessageKind,
        text: &str,
        now: i64,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(text) = self.words(text).filter(|_| self.room.has(to)) {
            self.sending = Some((SendState::Sending, now));
            effects.push(Effect::Send { to, kind, text });
        }
    }

    /// What was written, when there is something, and not too much.
    pub(super) fn words(&mut self, text: &str) -> Option<String> {
        let text = text.trim();
        if text.chars().count() > MAX_MESSAGE_CHARS {
            self.notice = Some(Notice::new("message_too_long").with("limit", MAX_MESSAGE_CHARS));
            return None;
        }
        (!text.is_empty()).then(|| text.to_owned())
    }
}
