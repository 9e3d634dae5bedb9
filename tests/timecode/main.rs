//! `invigil-timecode`: paints the time into the lower left corner of an X screen every 10 ms, in a window that nothing covers.
//! A process of its own, so that what it measures does not slow it down.

use anyhow::{Context, Result};
use invigil_tests::timecode::{CELLS, cells};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    ConfigureWindowAux, ConnectionExt, CreateGCAux, CreateWindowAux, EventMask, Rectangle, StackMode, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

/// The code's own unit.
const EVERY: Duration = Duration::from_millis(10);
/// How often the strip is raised above windows that came later.
const RAISE_EVERY: u32 = 50;

fn main() -> Result<()> {
    let seconds: u64 = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "3600".into())
        .parse()
        .context("usage: invigil-timecode [SECONDS]")?;
    let (connection, number) = x11rb::connect(None).context("no X display")?;
    let screen = connection.setup().roots.get(number).context("no screen")?;
    let (width, height) = (screen.width_in_pixels / 8 * 5, screen.height_in_pixels / 18);
    let window = connection.generate_id()?;
    let look = CreateWindowAux::new()
        .override_redirect(1)
        .background_pixel(screen.black_pixel)
        .event_mask(EventMask::NO_EVENT);
    let top = (screen.height_in_pixels - height) as i16;
    connection.create_window(
        screen.root_depth,
        window,
        screen.root,
        0,
        top,
        width,
        height,
        0,
        WindowClass::INPUT_OUTPUT,
        0,
        &look,
    )?;
    let (white, black) = (connection.generate_id()?, connection.generate_id()?);
    connection.create_gc(white, window, &CreateGCAux::new().foreground(screen.white_pixel))?;
    connection.create_gc(black, window, &CreateGCAux::new().foreground(screen.black_pixel))?;
    connection.map_window(window)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut next = Instant::now();
    for tick in 0u32.. {
        if Instant::now() >= end {
            break;
        }
        if tick % RAISE_EVERY == 0 {
            connection.configure_window(window, &ConfigureWindowAux::new().stack_mode(StackMode::ABOVE))?;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64;
        for (gc, wanted) in [(white, true), (black, false)] {
            let edge = |cell: usize| (usize::from(width) * cell / CELLS) as u16;
            let row = cells(now).into_iter().enumerate().filter(|(_, cell)| *cell == wanted);
            let cells: Vec<Rectangle> = row
                .map(|(cell, _)| Rectangle {
                    x: edge(cell) as i16,
                    y: 0,
                    width: edge(cell + 1) - edge(cell),
                    height,
                })
                .collect();
            connection.poly_fill_rectangle(window, gc, &cells)?;
        }
        connection.sync()?;
        next += EVERY;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
