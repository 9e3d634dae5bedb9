//! Every pixel format that a device hands out becomes I420 (BT.601, limited range), and planes are scaled.

use crate::error::CodecError;
use crate::picture::{Planes, even};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPackedImage, YuvPlanarImage, YuvPlanarImageMut, YuvRange, YuvStandardMatrix,
};

/// The largest picture that is converted, pixels: 8K. A device or stream that claims more is refused.
pub const MAX_PIXELS: u64 = 7680 * 4320;

/// How the bytes of a grab are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Blue, green, red, unused; what X11 and Windows give.
    Bgrx,
    Rgb,
    Bgr,
    Yuyv,
    Nv12,
    Gray,
    /// One JPEG picture.
    Mjpeg,
}

/// Converts one grab. `stride` is in bytes per row (of luma for NV12), ignored for MJPEG. Odd sizes lose their last row or column.
///
/// # Errors
/// `BadFrame` when the buffer is too short for its size, `Jpeg` for a broken JPEG.
pub fn to_i420(format: PixelFormat, bytes: &[u8], width: u32, height: u32, stride: u32) -> Result<Planes, CodecError> {
    if width < 2 || height < 2 || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(CodecError::BadFrame("size"));
    }
    if format == PixelFormat::Mjpeg {
        return jpeg(bytes, width, height);
    }
    let per_pixel = match format {
        PixelFormat::Bgrx => 4,
        PixelFormat::Rgb | PixelFormat::Bgr => 3,
        PixelFormat::Yuyv => 2,
        PixelFormat::Nv12 | PixelFormat::Gray | PixelFormat::Mjpeg => 1,
    };
    let (w, h, s) = (even(width), even(height), stride as usize);
    let rows = if format == PixelFormat::Nv12 {
        height as usize + h as usize / 2
    } else {
        h as usize
    };
    if s < w as usize * per_pixel || bytes.len() < s * (rows - 1) + w as usize * per_pixel {
        return Err(CodecError::BadFrame("shorter than its size"));
    }
    let mut planes = Planes::new(w, h);
    let (range, matrix, mode) = (YuvRange::Limited, YuvStandardMatrix::Bt601, YuvConversionMode::Balanced);
    match format {
        PixelFormat::Bgrx => yuv::bgra_to_yuv420(&mut target(&mut planes), bytes, stride, range, matrix, mode),
        PixelFormat::Rgb => yuv::rgb_to_yuv420(&mut target(&mut planes), bytes, stride, range, matrix, mode),
        PixelFormat::Bgr => yuv::bgr_to_yuv420(&mut target(&mut planes), bytes, stride, range, matrix, mode),
        PixelFormat::Yuyv => {
            let packed = YuvPackedImage {
                yuy: bytes,
                yuy_stride: stride,
                width: w,
                height: h,
            };
            yuv::yuyv422_to_yuv420(&mut target(&mut planes), &packed)
        }
        PixelFormat::Nv12 => {
            nv12(&mut planes, bytes, s, height as usize);
            Ok(())
        }
        PixelFormat::Gray | PixelFormat::Mjpeg => {
            gray(&mut planes, bytes, s);
            Ok(())
        }
    }
    .map_err(|e| CodecError::Convert(e.to_string()))?;
    Ok(planes)
}

/// Red, green, blue and 255 for every pixel, row by row: what a canvas takes.
///
/// # Errors
/// `Convert` when the planes don't fit their size.
pub fn to_rgba(planes: &Planes) -> Result<Vec<u8>, CodecError> {
    let mut rgba = vec![0; planes.width as usize * planes.height as usize * 4];
    let picture = YuvPlanarImage {
        y_plane: &planes.y,
        y_stride: planes.width,
        u_plane: &planes.u,
        u_stride: planes.width / 2,
        v_plane: &planes.v,
        v_stride: planes.width / 2,
        width: planes.width,
        height: planes.height,
    };
    let (range, matrix) = (YuvRange::Limited, YuvStandardMatrix::Bt601);
    yuv::yuv420_to_rgba(&picture, &mut rgba, planes.width * 4, range, matrix)
        .map_err(|e| CodecError::Convert(e.to_string()))?;
    Ok(rgba)
}

fn target(planes: &mut Planes) -> YuvPlanarImageMut<'_, u8> {
    YuvPlanarImageMut {
        y_stride: planes.width,
        u_stride: planes.width / 2,
        v_stride: planes.width / 2,
        width: planes.width,
        height: planes.height,
        y_plane: BufferStoreMut::Borrowed(&mut planes.y),
        u_plane: BufferStoreMut::Borrowed(&mut planes.u),
        v_plane: BufferStoreMut::Borrowed(&mut planes.v),
    }
}

fn nv12(planes: &mut Planes, bytes: &[u8], stride: usize, rows: usize) {
    let w = planes.width as usize;
    for (to, from) in planes.y.chunks_exact_mut(w).zip(bytes.chunks(stride)) {
        to.copy_from_slice(&from[..w]);
    }
    let chroma = planes.u.chunks_exact_mut(w / 2).zip(planes.v.chunks_exact_mut(w / 2));
    for ((u, v), from) in chroma.zip(bytes[stride * rows..].chunks(stride)) {
        for ((u, v), pair) in u.iter_mut().zip(v).zip(from.chunks_exact(2)) {
            (*u, *v) = (pair[0], pair[1]);
        }
    }
}

/// Full-range grey to limited-range luma.
fn gray(planes: &mut Planes, bytes: &[u8], stride: usize) {
    let w = planes.width as usize;
    for (to, from) in planes.y.chunks_exact_mut(w).zip(bytes.chunks(stride)) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = u8::try_from(16 + u32::from(*from) * 219 / 255).unwrap_or(235);
        }
    }
}

/// JPEG's colours are BT.601 in full range: decoded to RGB, then to limited range like everything else.
fn jpeg(bytes: &[u8], width: u32, height: u32) -> Result<Planes, CodecError> {
    let mut decoder = turbojpeg::Decompressor::new().map_err(|e| CodecError::Jpeg(e.to_string()))?;
    let header = decoder
        .read_header(bytes)
        .map_err(|e| CodecError::Jpeg(e.to_string()))?;
    if header.width != width as usize || header.height != height as usize {
        return Err(CodecError::BadFrame("JPEG of another size"));
    }
    let pitch = header.width * 3;
    let mut rgb = vec![0; pitch * header.height];
    let image = turbojpeg::Image {
        pixels: rgb.as_mut_slice(),
        width: header.width,
        pitch,
        height: header.height,
        format: turbojpeg::PixelFormat::RGB,
    };
    decoder
        .decompress(bytes, image)
        .map_err(|e| CodecError::Jpeg(e.to_string()))?;
    to_i420(PixelFormat::Rgb, &rgb, width, height, width * 3)
}

/// Scales pictures, keeping its buffers between frames.
pub struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
}

impl Default for Scaler {
    fn default() -> Self {
        Self {
            resizer: Resizer::new(),
            options: ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)),
        }
    }
}

impl Scaler {
    /// Scales to `width * height`, both rounded down to even. The shape may change: fit before.
    ///
    /// # Errors
    /// `Scale` when the planes don't fit their size.
    pub fn scale(&mut self, from: &Planes, width: u32, height: u32) -> Result<Planes, CodecError> {
        let mut to = Planes::new(width, height);
        let (w, h) = (to.width, to.height);
        if (w * 2, h * 2) == (from.width, from.height) && w % 2 == 0 && h % 2 == 0 {
            halve(&from.y, from.width as usize, &mut to.y);
            halve(&from.u, from.width as usize / 2, &mut to.u);
            halve(&from.v, from.width as usize / 2, &mut to.v);
            return Ok(to);
        }
        self.plane(&from.y, (from.width, from.height), &mut to.y, (w, h))?;
        self.plane(&from.u, (from.width / 2, from.height / 2), &mut to.u, (w / 2, h / 2))?;
        self.plane(&from.v, (from.width / 2, from.height / 2), &mut to.v, (w / 2, h / 2))?;
        Ok(to)
    }

    fn plane(&mut self, from: &[u8], size: (u32, u32), to: &mut [u8], into: (u32, u32)) -> Result<(), CodecError> {
        let failed = |e: &dyn std::fmt::Display| CodecError::Scale(e.to_string());
        let source = ImageRef::new(size.0, size.1, from, PixelType::U8).map_err(|e| failed(&e))?;
        let mut target = Image::from_slice_u8(into.0, into.1, to, PixelType::U8).map_err(|e| failed(&e))?;
        self.resizer
            .resize(&source, &mut target, &self.options)
            .map_err(|e| failed(&e))
    }
}

/// Each pixel the mean of four, with even `width` and height: the usual step between two layers, cheaper than a convolution.
fn halve(from: &[u8], width: usize, to: &mut [u8]) {
    for (to, rows) in to.chunks_exact_mut(width / 2).zip(from.chunks_exact(width * 2)) {
        let (upper, lower) = rows.split_at(width);
        let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
        for (to, (a, b)) in to.iter_mut().zip(pairs) {
            let sum = u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]);
            #[allow(clippy::cast_possible_truncation)] // a mean of bytes is a byte
            let mean = ((sum + 2) / 4) as u8;
            *to = mean;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn red_is_red_from_every_packed_format() {
        let bgrx: Vec<u8> = [0, 0, 255, 0].repeat(16);
        let rgb: Vec<u8> = [255, 0, 0].repeat(16);
        let bgr: Vec<u8> = [0, 0, 255].repeat(16);
        let yuyv: Vec<u8> = [81, 90, 81, 240].repeat(8);
        let nv12: Vec<u8> = [vec![81; 16], [90, 240].repeat(4)].concat();
        for (format, bytes, per_row) in [
            (PixelFormat::Bgrx, &bgrx, 16),
            (PixelFormat::Rgb, &rgb, 12),
            (PixelFormat::Bgr, &bgr, 12),
            (PixelFormat::Yuyv, &yuyv, 8),
            (PixelFormat::Nv12, &nv12, 4),
        ] {
            let p = to_i420(format, bytes, 4, 4, per_row).unwrap();
            assert!(p.y.iter().all(|y| y.abs_diff(81) <= 1), "{format:?} {:?}", p.y);
            assert!(p.u.iter().all(|u| u.abs_diff(90) <= 1), "{format:?} {:?}", p.u);
            assert!(p.v.iter().all(|v| v.abs_diff(240) <= 1), "{format:?} {:?}", p.v);
        }
    }

    #[test]
    fn a_canvas_gets_the_colours_back() {
        for [r, g, b] in [
            [255u8, 0, 0],
            [0, 255, 0],
            [0, 0, 255],
            [255, 255, 255],
            [0, 0, 0],
            [200, 120, 40],
        ] {
            let planes = to_i420(PixelFormat::Rgb, &[r, g, b].repeat(6 * 4), 6, 4, 18).unwrap();
            let rgba = to_rgba(&planes).unwrap();
            assert_eq!(rgba.len(), 6 * 4 * 4);
            for pixel in rgba.as_chunks::<4>().0 {
                let near = [r, g, b].iter().zip(pixel).all(|(a, b)| a.abs_diff(*b) <= 4);
                assert!(near && pixel[3] == 255, "{pixel:?} for {:?}", [r, g, b]);
            }
        }
        let mut short = Planes::new(6, 4);
        short.u.truncate(1);
        assert!(to_rgba(&short).is_err());
    }

    #[test]
    fn a_short_or_absurd_buffer_is_an_error() {
        for format in [
            PixelFormat::Bgrx,
            PixelFormat::Rgb,
            PixelFormat::Yuyv,
            PixelFormat::Nv12,
            PixelFormat::Gray,
        ] {
            assert!(to_i420(format, &[0; 10], 64, 64, 64 * 4).is_err(), "{format:?}");
            assert!(to_i420(format, &[0; 10], 0, 64, 0).is_err(), "{format:?}");
            assert!(to_i420(format, &[0; 10], u32::MAX, u32::MAX, 4).is_err(), "{format:?}");
        }
        assert!(to_i420(PixelFormat::Mjpeg, b"\xff\xd8 not a jpeg", 64, 64, 0).is_err());
    }

    #[test]
    fn odd_sizes_lose_their_last_row_and_column() {
        let p = to_i420(PixelFormat::Bgrx, &[255; 5 * 3 * 4], 5, 3, 20).unwrap();
        assert_eq!((p.width, p.height, p.y.len(), p.u.len()), (4, 2, 8, 2));
    }

    #[test]
    fn a_jpeg_keeps_its_colours() {
        let red: Vec<u8> = [255, 0, 0].repeat(32 * 32);
        let image = turbojpeg::Image {
            pixels: red.as_slice(),
            width: 32,
            pitch: 96,
            height: 32,
            format: turbojpeg::PixelFormat::RGB,
        };
        let jpeg = turbojpeg::compress(image, 95, turbojpeg::Subsamp::Sub2x2).unwrap();
        let p = to_i420(PixelFormat::Mjpeg, &jpeg, 32, 32, 0).unwrap();
        assert!(p.y.iter().all(|y| y.abs_diff(81) <= 3) && p.v.iter().all(|v| v.abs_diff(240) <= 3));
        assert!(to_i420(PixelFormat::Mjpeg, &jpeg, 64, 32, 0).is_err());
    }

    #[test]
    fn scaling_keeps_left_and_right() {
        let mut p = Planes::new(64, 32);
        for row in p.y.chunks_exact_mut(64) {
            row[32..].fill(235);
        }
        let s = Scaler::default().scale(&p, 16, 8).unwrap();
        assert_eq!((s.width, s.height), (16, 8));
        assert!(s.y.chunks_exact(16).all(|row| row[0] == 16 && row[15] == 235));
    }

    #[test]
    fn halving_is_the_mean_of_four_and_agrees_with_the_convolution() {
        let mut p = Planes::new(64, 32);
        for (i, y) in p.y.iter_mut().enumerate() {
            *y = u8::try_from(16 + (i % 64) * 2 + (i / 64) * 3).unwrap();
        }
        p.u[0] = 255;
        let s = Scaler::default().scale(&p, 32, 16).unwrap();
        assert_eq!(s.y[0], 19, "(16 + 18 + 19 + 21 + 2) / 4");
        assert_eq!(s.u[0], 160, "(255 + 3 * 128 + 2) / 4");
        let mut convolved = Planes::new(32, 16);
        let mut scaler = Scaler::default();
        scaler.plane(&p.y, (64, 32), &mut convolved.y, (32, 16)).unwrap();
        let inner = |at: usize| (1..31).contains(&(at % 32)) && (1..15).contains(&(at / 32));
        for at in (0..s.y.len()).filter(|at| inner(*at)) {
            assert!(s.y[at].abs_diff(convolved.y[at]) <= 1, "pixel {at}");
        }
    }
}
