#!/bin/bash
# The Debian package on a Debian with systemd, booted in qemu: installed, started, used, upgraded, removed, installed again and
# purged. Passes only when the machine's own lines on the serial console say so.
#
#   tests/deb/run.sh OLD.deb NEW.deb
#
# Needs root, debootstrap, qemu-system-x86, cpio, xz-utils. Exit 2: something is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
old=$(realpath "${1:?usage: tests/deb/run.sh OLD.deb NEW.deb}") new=$(realpath "${2:?usage: tests/deb/run.sh OLD.deb NEW.deb}")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/invigil/deb
PATH=$PATH:/sbin:/usr/sbin
if [ "$(id -u)" != 0 ]; then
    echo "tests/deb: only root can make a new Debian here" >&2
    exit 2
fi
for tool in debootstrap qemu-system-x86_64 cpio xz timeout; do
    if ! command -v "$tool" >/dev/null; then
        echo "tests/deb: $tool is missing" >&2
        exit 2
    fi
done
mkdir -p "$cache"
work=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

# A Debian with systemd, made once.
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
base=$cache/$suite-1.tar
if [ ! -e "$base" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)
    debootstrap --variant=minbase --include=systemd,systemd-sysv,adduser,curl,ca-certificates,procps,iproute2,kmod \
        "$suite" "$work/base" "$mirror" >"$work/debootstrap.log" || { tail -20 "$work/debootstrap.log" >&2; exit 1; }
    rm -rf "$work/base/var/cache/apt" "$work/base/var/lib/apt/lists" "$work/base"/usr/share/{doc,man,locale,info}/*
    tar -C "$work/base" -cf "$base.new" . && mv "$base.new" "$base"
    rm -rf "$work/base"
fi
root=$work/root
mkdir "$root"
tar -C "$root" -xf "$base"

# A network interface, so that the server has an address to announce.
mkdir -p "$(dirname "$cache")/vm"
kernel=$("$here/../vm/kernel.sh" "$(dirname "$cache")/vm")
module=$(find "$kernel/lib/modules" -path '*/net/dummy.ko*')
cp "$module" "$root/root/"
# Some kernels ship compressed modules.
if [ "${module##*.}" = xz ]; then xz -d "$root/root/dummy.ko.xz"; fi
cp "$old" "$root/root/old.deb"
cp "$new" "$root/root/new.deb"
cp "$here/inside.sh" "$root/root/inside.sh"
cat >"$root/etc/systemd/system/inside.service" <<'U'
[Unit]
After=basic.target systemd-user-sessions.service
[Service]
Type=oneshot
ExecStart=/bin/bash /root/inside.sh
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/ttyS0
TimeoutStartSec=infinity
U
ln -sf /etc/systemd/system/inside.service "$root/etc/systemd/system/multi-user.target.wants/inside.service"
ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
for unit in serial-getty@ttyS0.service getty@tty1.service systemd-resolved.service apt-daily.timer apt-daily-upgrade.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
echo invigil-test >"$root/etc/hostname"
(cd "$root" && find . | cpio -o -H newc --quiet) >"$work/root.cpio"

console=$work/console
# TCG: KVM hangs on some nested machines, and the clock of the test is the guest's own.
timeout "${DEB_TIMEOUT:-900}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 2560 -smp 2 -nographic -no-reboot -nic none \
    -kernel "$kernel"/boot/vmlinuz-* -initrd "$work/root.cpio" -append "console=ttyS0 rdinit=/sbin/init systemd.show_status=0 quiet panic=-1" \
    </dev/null >"$console" 2>&1 || { tail -60 "$console" >&2; echo "tests/deb: the machine did not end by itself" >&2; exit 1; }
tr -d '\r' <"$console" | grep '^deb: ' || true
if ! tr -d '\r' <"$console" | grep -qxF 'deb: passed'; then
    tail -80 "$console" >&2
    echo "tests/deb: failed" >&2
    exit 1
fi
