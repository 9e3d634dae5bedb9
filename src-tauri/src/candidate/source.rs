//! One source of the candidate's machine, as it is shown and as its losses are reported.

use super::io::Effect;
use invigil_shared::exam::SourceRule;
use invigil_shared::integrity::IntegrityKind;
use invigil_shared::publication::{Kind, PublicationKey, SourceState};
use invigil_view::candidate::SourceView;
use invigil_view::common::Notice;
use std::collections::BTreeMap;

/// The window's handle of a source's preview.
pub fn preview_tile(publication: PublicationKey) -> Option<u16> {
    match publication.kind {
        Kind::Camera => Some(u16::from(publication.instance) * 2),
        Kind::Screen => Some(u16::from(publication.instance) * 2 + 1),
        Kind::Microphone => None,
    }
}

/// What capture reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceChange {
    Starting,
    Live {
        device: String,
        width: u16,
        height: u16,
        fps: u8,
    },
    /// A catalogue code, such as `camera_gone`.
    Failed(String),
    Stopped,
}

#[derive(Clone, Debug)]
pub struct Source {
    pub view: SourceView,
    chosen: Option<String>,
    /// The loss was reported and its end was not.
    lost: bool,
}

impl Source {
    pub fn new(publication: PublicationKey, rule: SourceRule) -> Self {
        let view = SourceView {
            publication,
            rule,
            state: SourceState::Starting,
            device: None,
            devices: Vec::new(),
            width: 0,
            height: 0,
            fps: 0,
            problem: None,
            test_picture: false,
            sending: false,
            preview: None,
        };
        Self {
            view,
            chosen: None,
            lost: false,
        }
    }

    /// A person chose this device.
    pub fn choose(&mut self, device: &str) {
        self.chosen = Some(device.to_owned());
        self.view.test_picture = false;
        self.view.state = SourceState::Starting;
        self.view.problem = None;
    }

    /// Opens what was chosen, or the system's own choice.
    pub fn open_again(&mut self) -> Effect {
        self.view.state = SourceState::Starting;
        self.view.problem = None;
        Effect::Open {
            publication: self.view.publication,
            device: self.chosen.clone(),
            test_picture: self.view.test_picture,
        }
    }

    pub fn apply(&mut self, change: SourceChange) {
        let view = &mut self.view;
        match change {
            SourceChange::Starting => view.state = SourceState::Starting,
            SourceChange::Live {
                device,
                width,
                height,
                fps,
            } => {
                (view.state, view.problem) = (SourceState::Live, None);
                (view.device, view.width, view.height, view.fps) = (Some(device), width, height, fps);
                view.preview = preview_tile(view.publication);
            }
            SourceChange::Failed(code) => {
                view.state = if code.ends_with("_none") {
                    SourceState::Absent
                } else {
                    SourceState::Failed
                };
                view.problem = Some(Notice::new(&code));
                view.preview = None;
            }
            SourceChange::Stopped => {
                view.state = SourceState::Stopped;
                view.preview = None;
            }
        }
    }

    /// Hand-in: nothing is captured any more.
    pub fn switch_off(&mut self) {
        (self.view.state, self.view.sending, self.view.preview, self.view.problem) =
            (SourceState::Stopped, false, None, None);
    }

    /// The integrity event that the newest change makes, if any.
    pub fn observe(&mut self) -> Option<Effect> {
        let (lost, returned) = match self.view.publication.kind {
            Kind::Camera => (IntegrityKind::CameraLost, IntegrityKind::CameraReturned),
            Kind::Microphone => (IntegrityKind::MicrophoneLost, IntegrityKind::MicrophoneReturned),
            Kind::Screen => (IntegrityKind::ScreenLost, IntegrityKind::ScreenReturned),
        };
        let broken = matches!(self.view.state, SourceState::Failed | SourceState::Absent);
        if broken && !self.lost {
            self.lost = true;
            let mut facts = BTreeMap::from([("publication".to_owned(), self.view.publication.to_string())]);
            facts.extend(
                self.view
                    .problem
                    .iter()
                    .map(|problem| ("error".to_owned(), problem.code.clone())),
            );
            return Some(Effect::Report {
                kind: lost,
                begins: None,
                facts,
            });
        }
        if self.view.state == SourceState::Live && self.lost {
            self.lost = false;
            let facts = BTreeMap::from([("publication".to_owned(), self.view.publication.to_string())]);
            return Some(Effect::Report {
                kind: returned,
                begins: Some(lost),
                facts,
            });
        }
        None
    }
}
