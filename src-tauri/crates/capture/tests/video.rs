//! Test picture, pipeline, OpenH264 and back, without a device.
#![allow(clippy::unwrap_used, clippy::expect_used)] // also in the helpers of tests

use invigil_capture::layers::{LayerSpec, defaults};
use invigil_capture::{
    Content, EncodedFrame, Picture, PipelineThread, Planes, SourceEvent, TestPainter, TestPictureConfig,
};
use invigil_capture::{TestPictureSource, VideoDecoder, VideoPipeline};
use invigil_shared::bandwidth::{LayerNeed, plan};
use invigil_shared::publication::{Kind, Layer, PublicationKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn psnr(a: &Planes, b: &Planes) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let error: f64 =
        a.y.iter()
            .zip(&b.y)
            .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
            .sum();
    10.0 * (255.0f64.powi(2) / (error / a.y.len() as f64).max(1e-9)).log10()
}

fn moving(painter: &mut TestPainter, at: i64) -> Arc<Picture> {
    Arc::new(Picture {
        planes: Arc::new(painter.paint(at)),
        captured_at: at,
        changed: true,
    })
}

fn of(frames: &[EncodedFrame], layer: Layer) -> Vec<&EncodedFrame> {
    frames.iter().filter(|f| f.layer == layer).collect()
}

fn camera() -> VideoPipeline {
    VideoPipeline::new(Content::Camera, defaults(Kind::Camera))
}

#[test]
fn only_demanded_layers_are_encoded_at_their_rate_and_decode_well() {
    let mut painter = TestPainter::new(&TestPictureConfig::default());
    let mut pipeline = camera();
    assert!(pipeline.push(&moving(&mut painter, 0)).is_empty(), "nobody asked");
    pipeline.set_demand(&[Layer::Low, Layer::High]);
    let mut decoder = VideoDecoder::new().unwrap();
    let mut frames = Vec::new();
    let mut worst = f64::INFINITY;
    for i in 1..=150i64 {
        let picture = moving(&mut painter, i * 66_667 + (i % 3) * 4_000);
        let new = pipeline.push(&picture);
        for frame in of(&new, Layer::High) {
            let decoded = decoder.decode(&frame.data).unwrap().expect("a picture for every frame");
            worst = worst.min(psnr(&decoded, &picture.planes));
        }
        frames.extend(new);
    }
    let (low, high) = (of(&frames, Layer::Low), of(&frames, Layer::High));
    assert_eq!(high.len(), 150, "15 fps");
    assert!(
        (98..=102).contains(&low.len()),
        "10 fps of a 15 fps source: {}",
        low.len()
    );
    assert_eq!((low[0].width, low[0].height, high[0].width), (320, 180, 640));
    for layer in [low, high] {
        assert!(
            layer[0].key && layer.iter().filter(|f| f.key).count() == 1,
            "one keyframe, at the start"
        );
        assert!(layer.windows(2).all(|w| w[1].rtp_timestamp > w[0].rtp_timestamp));
    }
    assert!(worst > 30.0, "{worst} dB");

    pipeline.set_demand(&[Layer::Low]);
    let after = pipeline.push(&moving(&mut painter, 20_000_000));
    assert!(of(&after, Layer::High).is_empty() && after.len() == 1);
}

#[test]
fn a_keyframe_comes_within_one_frame_and_starts_a_decoder() {
    let mut painter = TestPainter::new(&TestPictureConfig::default());
    let mut pipeline = camera();
    pipeline.set_demand(&[Layer::High]);
    (0..10).for_each(|i| drop(pipeline.push(&moving(&mut painter, i * 66_667))));
    pipeline.request_key(Layer::High);
    let again = pipeline.answer_keys();
    assert_eq!(again.len(), 1);
    assert!(
        again[0].key && again[0].captured_at == 9 * 66_667,
        "the latest picture, with its true time"
    );
    assert!(VideoDecoder::new().unwrap().decode(&again[0].data).unwrap().is_some());
    let next = pipeline.push(&moving(&mut painter, 10 * 66_667));
    assert!(!next[0].key && next[0].rtp_timestamp > again[0].rtp_timestamp);
}

#[test]
fn a_layer_follows_its_plan_and_a_blocked_way_costs_no_chain_of_pictures() {
    let mut painter = TestPainter::new(&TestPictureConfig::default());
    let free = Arc::new(AtomicBool::new(true));
    let way = free.clone();
    let mut pipeline = camera().with_gate(move |_| way.load(Ordering::Relaxed));
    pipeline.set_demand(&[Layer::High]);
    let need = LayerNeed {
        publication: PublicationKey::CAMERA,
        layer: Layer::High,
        width: 640,
        height: 360,
        fps: 15,
        kbps: 500,
    };
    let follow = |pipeline: &mut VideoPipeline, bps| {
        let plan = plan(bps, 0, &[need], None);
        pipeline.follow(&plan.layers[0]);
        plan
    };
    let mut at = 0;
    let mut run = |pipeline: &mut VideoPipeline, seconds: i64| {
        let mut frames = Vec::new();
        for _ in 0..seconds * 15 {
            at += 66_667;
            frames.extend(pipeline.push(&moving(&mut painter, at)));
        }
        frames
    };
    let kbps = |frames: &[EncodedFrame], seconds: usize| {
        frames.iter().map(|frame| frame.data.len() * 8).sum::<usize>() / seconds / 1_000
    };
    assert_eq!(run(&mut pipeline, 4).len(), 60);

    let narrow = follow(&mut pipeline, Some(250_000));
    let frames = run(&mut pipeline, 10);
    let rate = 10.0 / narrow.layers[0].interval.as_secs_f64();
    assert!((frames.len() as f64 - rate).abs() <= 2.0, "{} of {rate}", frames.len());
    assert!(frames.iter().all(|frame| frame.width == 640 && !frame.key));
    assert!(kbps(&frames, 10) <= 275, "{} kbit/s", kbps(&frames, 10));

    follow(&mut pipeline, Some(50_000));
    let frames = run(&mut pipeline, 20);
    assert!(frames[0].key && frames[0].width < 640, "a smaller picture starts anew");
    assert!(kbps(&frames[1..], 20) <= 60, "{} kbit/s", kbps(&frames[1..], 20));

    free.store(false, Ordering::Relaxed);
    pipeline.request_key(Layer::High);
    assert!(run(&mut pipeline, 2).is_empty() && pipeline.answer_keys().is_empty());
    free.store(true, Ordering::Relaxed);
    assert!(run(&mut pipeline, 1)[0].key, "what was asked for meanwhile");

    follow(&mut pipeline, None);
    let frames = run(&mut pipeline, 4);
    assert_eq!((frames.len(), frames[0].width, frames[0].key), (60, 640, true));
}

/// Text-like content at 1080p: glyphs of 26 shapes, nine rows high; `columns` by `lines` of them.
fn text(columns: usize, lines: usize) -> Arc<Planes> {
    let mut planes = Planes::new(1920, 1080);
    for (y, row) in planes.y.chunks_exact_mut(1920).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (line, column) = (y / 18, x / 9);
            let shape = (line * 31 + column * 17 + line * column) % 32;
            let (gx, gy) = (x % 9 / 2, y % 18 / 2);
            let inside = shape < 26 && line < lines && column < columns && gx < 4 && gy < 6;
            let ink = inside && (shape * 7 + gx * 5 + gy * 3 + shape * gx * gy) % 7 < 3;
            *pixel = if ink { 30 } else { 230 };
        }
    }
    Arc::new(planes)
}

/// Pushes an unchanging screen at 5 fps for 12 s; capture times of what was sent, and what a proctor sees at the end.
fn still(planes: &Arc<Planes>) -> (Vec<i64>, Planes) {
    let mut pipeline = VideoPipeline::new(Content::Screen, defaults(Kind::Screen));
    pipeline.set_demand(&[Layer::High]);
    let mut decoder = VideoDecoder::new().unwrap();
    let (mut sent, mut shown) = (Vec::new(), None);
    for i in 0..60i64 {
        let picture = Picture {
            planes: planes.clone(),
            captured_at: i * 200_000,
            changed: i == 0,
        };
        for frame in pipeline.push(&Arc::new(picture)) {
            shown = decoder.decode(&frame.data).unwrap().or(shown);
            sent.push(frame.captured_at);
        }
    }
    (sent, shown.unwrap())
}

#[test]
fn a_still_page_stays_legible_and_is_refreshed_once_a_second() {
    let page = text(80, 50);
    let (sent, shown) = still(&page);
    assert!((12..=20).contains(&sent.len()), "{sent:?}");
    assert!(
        sent.windows(2).all(|w| w[1] - w[0] <= 1_400_000),
        "at least about once a second: {sent:?}"
    );
    let quality = psnr(&shown, &page);
    assert!(quality > 32.0, "{quality} dB");
}

/// A screen so full that its keyframe alone is seconds of its bitrate: pauses after it, but goes on, and is legible.
#[test]
fn an_overfull_screen_goes_on_after_its_keyframe() {
    let full = text(213, 60);
    let (sent, shown) = still(&full);
    assert!(
        sent.windows(2).all(|w| w[1] - w[0] <= 4_000_000) && *sent.last().unwrap() > 9_000_000,
        "{sent:?}"
    );
    let quality = psnr(&shown, &full);
    assert!(quality > 28.0, "{quality} dB");
}

#[test]
fn bitrate_changes_in_place_without_a_keyframe() {
    let mut painter = TestPainter::new(&TestPictureConfig {
        seed: 3,
        ..Default::default()
    });
    let mut noise = 1u32;
    let mut busy = |at: i64| {
        let mut planes = painter.paint(at);
        for pixel in planes.y.iter_mut().step_by(3) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *pixel = pixel.wrapping_add((noise >> 28) as u8);
        }
        Arc::new(Picture {
            planes: Arc::new(planes),
            captured_at: at,
            changed: true,
        })
    };
    let mut pipeline = camera();
    pipeline.set_demand(&[Layer::High]);
    let mut half = |pipeline: &mut VideoPipeline, from: i64| {
        let frames: Vec<_> = (from..from + 90)
            .flat_map(|i| pipeline.push(&busy(i * 66_667)))
            .collect();
        (
            frames.iter().skip(30).map(|f| f.data.len()).sum::<usize>(),
            frames.iter().filter(|f| f.key).count(),
        )
    };
    let (before, keys) = half(&mut pipeline, 0);
    assert_eq!(keys, 1);
    pipeline.set_kbps(Layer::High, 150);
    let (after, keys) = half(&mut pipeline, 90);
    assert_eq!(keys, 0);
    assert!(after * 2 < before, "{before} -> {after}");
    // Above what it was made with.
    pipeline.set_kbps(Layer::High, 1500);
    let (more, keys) = half(&mut pipeline, 180);
    assert_eq!(keys, 0);
    assert!(more > before * 3 / 2, "{before} -> {more}");
}

#[test]
fn a_new_size_starts_with_a_keyframe() {
    let spec = LayerSpec {
        layer: Layer::High,
        max_width: 1920,
        max_height: 1080,
        fps: 5,
        kbps: 500,
    };
    let mut pipeline = VideoPipeline::new(Content::Screen, &[spec]);
    pipeline.set_demand(&[Layer::High]);
    let mut decoder = VideoDecoder::new().unwrap();
    for (i, (w, h)) in [(640, 480), (320, 200), (800, 600)].into_iter().enumerate() {
        let planes = Arc::new(Planes::new(w, h));
        let at = i as i64 * 1_000_000;
        let frames = pipeline.push(&Arc::new(Picture {
            planes,
            captured_at: at,
            changed: true,
        }));
        assert!(frames[0].key, "{w}x{h}");
        let decoded = decoder.decode(&frames[0].data).unwrap().unwrap();
        assert_eq!((decoded.width, decoded.height), (w, h));
    }
}

#[test]
fn hostile_units_are_errors_not_panics() {
    let mut painter = TestPainter::new(&TestPictureConfig {
        width: 160,
        height: 90,
        ..Default::default()
    });
    let mut pipeline = camera();
    pipeline.set_demand(&[Layer::High]);
    let unit = pipeline.push(&moving(&mut painter, 0)).remove(0).data;
    let mut seed = 7u32;
    for _ in 0..300 {
        let mut broken = unit.clone();
        for _ in 0..5 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = seed as usize % broken.len();
            broken[at] ^= (seed >> 24) as u8;
        }
        broken.truncate(seed as usize % (unit.len() + 1));
        let _ = VideoDecoder::new().unwrap().decode(&broken);
    }
}

#[test]
fn the_test_picture_runs_through_a_pipeline_thread() {
    let (tell, frames) = channel();
    let pipeline = Arc::new(PipelineThread::start(camera(), move |f| drop(tell.send(f))).unwrap());
    let (into, (say, said)) = (pipeline.clone(), channel());
    let source = TestPictureSource::start(TestPictureConfig::default(), move |event| match event {
        SourceEvent::Captured(picture) => into.push(picture),
        other => drop(say.send(other)),
    });
    let source = source.unwrap();
    pipeline.set_demand(&[Layer::Low]);
    let first = frames.recv_timeout(PATIENCE).unwrap();
    assert!(first.key && first.layer == Layer::Low);
    pipeline.request_key(Layer::Low);
    while !frames.recv_timeout(PATIENCE).unwrap().key {}
    source.stop();
    while !matches!(said.recv_timeout(PATIENCE).unwrap(), SourceEvent::Stopped) {}
    assert!(
        said.recv_timeout(PATIENCE).is_err(),
        "nothing after Stopped: the sink is gone"
    );
}
