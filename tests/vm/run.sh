#!/bin/bash
# The camera on a real V4L2 device: boots Debian's stock kernel with its virtual camera (vivid) in qemu and runs the
# camera probe there. Passes only when the probe's own lines on the serial console say so.
#
#   tests/vm/run.sh [PROBE]     PROBE: a built example `camera_probe` (built by cargo when not given)
#
# Needs: qemu-system-x86, busybox-static, cpio, kmod, apt-get (to fetch a kernel package once). Exit 2: something is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/invigil/vm
mkdir -p "$cache"

for tool in qemu-system-x86_64 busybox cpio modprobe dpkg-deb ldd timeout; do
    if ! PATH=$PATH:/sbin:/usr/sbin command -v "$tool" >/dev/null; then
        echo "tests/vm: $tool is missing (packages: qemu-system-x86 busybox-static cpio kmod dpkg)" >&2
        exit 2
    fi
done

probe=${1:-}
if [ -z "$probe" ]; then
    cargo build -q --manifest-path "$root/Cargo.toml" -p invigil-capture --example camera_probe
    probe=${CARGO_TARGET_DIR:-$root/target}/debug/examples/camera_probe
fi

kernel=$("$here/kernel.sh" "$cache")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/pack.sh" "$kernel" "$work/initrd" "$probe"

console=$work/console
# TCG: KVM hangs on some nested machines, and the clock of the test is the guest's own.
timeout "${VM_TIMEOUT:-240}" qemu-system-x86_64 -accel tcg -cpu max -m 512 -smp 2 -nographic -no-reboot -nic none \
    -kernel "$kernel"/boot/vmlinuz-* -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1" \
    </dev/null >"$console" 2>&1 || { tail -40 "$console" >&2; echo "tests/vm: the machine did not end by itself" >&2; exit 1; }

tr -d '\r' <"$console" | grep '^probe: ' || true
failed=0
for line in 'probe: formats ok' 'probe: live 640x360' 'probe: 20 pictures, all changed' 'probe: unplugged camera_gone' \
    'probe: back after replug' 'probe: no pictures after removal' 'probe: absent camera_none' 'probe: passed'; do
    if ! tr -d '\r' <"$console" | grep -qxF "$line"; then
        echo "tests/vm: missing on the console: $line" >&2
        failed=1
    fi
done
if [ "$failed" != 0 ]; then
    tail -60 "$console" >&2
fi
exit "$failed"
