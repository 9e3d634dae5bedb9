//! Decoding for a window that can't, or that draws without a GPU: one thread, one decoder per tile, pictures as large as their
//! tile to the media port, which a canvas only has to copy. Every frame is hostile: one that can't be decoded costs its tile
//! a key frame and nothing else.

use crate::media_port::MediaPort;
use crate::media_queue::{Picture, TILES};
use bytes::Bytes;
use invigil_capture::convert::{Scaler, to_rgba};
use invigil_capture::{CodecError, Planes, VideoDecoder};
use invigil_view::media::{Codec, MAX_RAW_PIXELS};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Frames that wait for the decoder: a third of a second of a full wall. Past it the tile waits for a key frame.
const WAITING: usize = 128;

struct Job {
    generation: u32,
    picture: Picture,
}

struct Tile {
    generation: u32,
    decoder: VideoDecoder,
}

/// The thread's handle. It ends with the last one.
pub struct Decoder {
    jobs: SyncSender<Job>,
    generations: Arc<Vec<AtomicU32>>,
    port: MediaPort,
}

impl Decoder {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(port: MediaPort) -> std::io::Result<Self> {
        let (jobs, received) = sync_channel(WAITING);
        let generations: Arc<Vec<AtomicU32>> = Arc::new((0..TILES).map(|_| AtomicU32::new(0)).collect());
        let (theirs, to) = (generations.clone(), port.clone());
        std::thread::Builder::new()
            .name("decoder".to_owned())
            .spawn(move || run(&received, &theirs, &to))?;
        Ok(Self {
            jobs,
            generations,
            port,
        })
    }

    /// The tile shows another source from now on: what still waits for it is not shown.
    pub fn forget(&self, tile: u16) {
        if let Some(generation) = self.generations.get(usize::from(tile)) {
            generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Decodes and shows a frame, or drops it when the decoder is behind.
    pub fn decode(&self, picture: Picture) {
        let tile = picture.tile;
        let Some(generation) = self.generations.get(usize::from(tile)) else {
            return;
        };
        let job = Job {
            generation: generation.load(Ordering::Acquire),
            picture,
        };
        if self.jobs.try_send(job).is_err() {
            // What follows a dropped frame can't be decoded: the decoder starts anew.
            generation.fetch_add(1, Ordering::AcqRel);
            self.port.want_key(tile);
        }
    }
}

fn run(jobs: &Receiver<Job>, generations: &[AtomicU32], port: &MediaPort) {
    let mut tiles: HashMap<u16, Tile> = HashMap::new();
    let mut scaler = Scaler::default();
    while let Ok(Job { generation, picture }) = jobs.recv() {
        let number = picture.tile;
        let current = || generations.get(usize::from(number)).map(|g| g.load(Ordering::Acquire)) == Some(generation);
        if !current() {
            tiles.remove(&number);
            continue;
        }
        if tiles.get(&number).is_none_or(|tile| tile.generation != generation) {
            tiles.remove(&number);
            if !picture.key {
                port.want_key(number);
                continue;
            }
            match VideoDecoder::new() {
                Ok(decoder) => tiles.insert(number, Tile { generation, decoder }),
                Err(error) => {
                    tracing::error!(%error, "no decoder");
                    continue;
                }
            };
        }
        let Some(tile) = tiles.get_mut(&number) else { continue };
        match tile.decoder.decode(&picture.data) {
            Ok(Some(planes)) => match raw(planes, port.box_of(number), &mut scaler) {
                Ok(raw) if current() => port.push(Picture {
                    key: true,
                    codec: Codec::Rgba,
                    width: raw.captured.0,
                    height: raw.captured.1,
                    raw: raw.size,
                    data: raw.data,
                    ..picture
                }),
                Ok(_) => {}
                Err(error) => tracing::error!(%error, tile = number, "a picture could not be scaled"),
            },
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, tile = number, "a frame could not be decoded");
                tiles.remove(&number);
                port.want_key(number);
            }
        }
    }
}

/// A picture as the window wants it.
struct Raw {
    /// Width and height before scaling, and now.
    captured: (u16, u16),
    size: (u16, u16),
    data: Bytes,
}

fn raw(planes: Planes, tile: Option<(u16, u16)>, scaler: &mut Scaler) -> Result<Raw, CodecError> {
    let size = |planes: &Planes| (planes.width as u16, planes.height as u16);
    let captured = size(&planes);
    let (width, height) = fit((planes.width, planes.height), tile);
    let planes = if (width, height) == (planes.width, planes.height) {
        planes
    } else {
        scaler.scale(&planes, width, height)?
    };
    Ok(Raw {
        captured,
        size: size(&planes),
        data: to_rgba(&planes)?.into(),
    })
}

/// As large as the picture fits into the tile, whole and in its shape; even, because planes are, and rather a pixel too large:
/// the window cuts that off. Without a tile: as it came.
fn fit((width, height): (u32, u32), tile: Option<(u16, u16)>) -> (u32, u32) {
    let (w, h) = (f64::from(width), f64::from(height));
    let wanted = tile.map_or(1.0, |(tw, th)| (f64::from(tw) / w).min(f64::from(th) / h));
    let most = (f64::from(MAX_RAW_PIXELS) / (w * h)).sqrt();
    if wanted >= most {
        let down = |n: f64| ((n * most) as u32 & !1).max(2);
        return (down(w), down(h));
    }
    let up = |n: f64| (n * wanted).ceil() as u32;
    (up(w).next_multiple_of(2), up(h).next_multiple_of(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_port::{MediaEvent, ORIGINS};
    use futures_util::{SinkExt, StreamExt};
    use invigil_capture::{Content, H264Encoder, VideoEncoder};
    use invigil_capture::{TestPainter, TestPictureConfig};
    use invigil_view::media::{MESSAGE_HEAD, RECORD_HEAD};
    use std::time::Duration;
    use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest, http::HeaderValue};

    fn frame(data: Vec<u8>, key: bool) -> Picture {
        let data = Bytes::from(data);
        Picture {
            tile: 3,
            key,
            codec: Codec::H264,
            width: 0,
            height: 0,
            raw: (0, 0),
            captured_at_us: 42,
            data,
        }
    }

    #[test]
    fn a_picture_fills_its_tile_in_its_shape_and_one_message_holds_it() {
        assert_eq!(fit((320, 180), None), (320, 180));
        assert_eq!(fit((320, 180), Some((171, 95))), (170, 96));
        assert_eq!(fit((320, 180), Some((640, 360))), (640, 360));
        assert_eq!(fit((1080, 1920), Some((170, 96))), (54, 96));
        let (w, h) = fit((1920, 1080), Some((3840, 2160)));
        assert!(w * h <= MAX_RAW_PIXELS && w * h > MAX_RAW_PIXELS * 9 / 10, "{w}x{h}");
        let (w, h) = fit((7680, 4320), None);
        assert!(w * h <= MAX_RAW_PIXELS && w * h > MAX_RAW_PIXELS * 9 / 10, "{w}x{h}");
        assert_eq!(fit((2, 4000), Some((100, 10))), (2, 10));
    }

    /// A real encoder's frames come out of the port's socket as the picture that went in; nonsense asks for a key frame.
    #[tokio::test]
    async fn frames_become_pictures_and_nonsense_asks_for_a_key_frame() {
        let (port, mut events) = MediaPort::open().await.unwrap();
        let admitted = port.admit(crate::media_port::Drawing::default());
        let mut request = format!("ws://127.0.0.1:{}/?token={}", admitted.port, admitted.token)
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("origin", HeaderValue::from_static(ORIGINS[0]));
        let (mut window, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let soon = Duration::from_secs(10);
        assert_eq!(
            tokio::time::timeout(soon, events.recv()).await.unwrap(),
            Some(MediaEvent::Attached)
        );

        let decoder = Decoder::start(port.clone()).unwrap();
        let config = TestPictureConfig {
            width: 320,
            height: 180,
            ..TestPictureConfig::default()
        };
        let painted = TestPainter::new(&config).paint(0);
        let mut encoder = H264Encoder::new(Content::Camera, 10, 300).unwrap();
        let encoded = encoder.encode(&painted, 0, true).unwrap().unwrap();
        decoder.decode(frame(encoded.data, true));
        let message = tokio::time::timeout(soon, window.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let Message::Binary(message) = message else {
            panic!("{message:?}")
        };
        assert_eq!(message[MESSAGE_HEAD..][..4], [3, 0, 1, Codec::Rgba as u8]);
        let pixels = &message[MESSAGE_HEAD + RECORD_HEAD..];
        let wanted = to_rgba(&painted).unwrap();
        assert_eq!(
            pixels.len(),
            wanted.len(),
            "as it came: nobody has said how large the tile is"
        );
        let error: u64 = pixels.iter().zip(&wanted).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(
            error / wanted.len() as u64 <= 6,
            "mean error {}",
            error / wanted.len() as u64
        );

        let size = Message::text(r#"{"type":"size","tile":3,"width":121,"height":200}"#);
        window.send(size).await.unwrap();
        let told = tokio::time::timeout(soon, async {
            while port.box_of(3).is_none() {
                tokio::task::yield_now().await;
            }
        });
        told.await.unwrap();
        let encoded = encoder.encode(&painted, 9_000, true).unwrap().unwrap();
        decoder.decode(frame(encoded.data, true));
        let message = tokio::time::timeout(soon, window.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let record = &message.into_data()[MESSAGE_HEAD..];
        assert_eq!(record[4..8], [64, 1, 180, 0], "captured as 320x180");
        assert_eq!(record[20..24], [122, 0, 70, 0], "121 wide, in its shape, even");

        decoder.forget(3);
        decoder.decode(frame(vec![0, 0, 0, 1, 0x41, 1, 2, 3], false));
        let event = tokio::time::timeout(soon, events.recv()).await.unwrap();
        assert_eq!(event, Some(MediaEvent::KeyWanted { tile: 3 }));
    }
}
