#!/bin/bash
# Packs busybox, the camera's kernel modules and a program with its libraries into an initramfs.
#   pack.sh KERNEL-FOLDER OUT PROGRAM
set -euo pipefail
kernel=$1 out=$2 program=$3
PATH=$PATH:/sbin:/usr/sbin
version=$(ls "$kernel/lib/modules")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{bin,proc,sys,dev,tmp,modules}
cp "$(command -v busybox)" "$tree/bin/busybox"
for applet in sh mount insmod rmmod ls cat sleep echo poweroff; do
    ln -s busybox "$tree/bin/$applet"
done
[ -e "$kernel/lib/modules/$version/modules.dep.bin" ] || depmod -b "$kernel" "$version"
modprobe -d "$kernel" -S "$version" --show-depends vivid | while read -r verb file _; do
    [ "$verb" = insmod ] || continue
    cp "$file" "$tree/modules/"
    basename "$file" >>"$tree/modules/order"
done
# Some kernels ship compressed modules; busybox insmod wants plain ones.
for file in "$tree"/modules/*.ko.xz; do
    [ -e "$file" ] && xz -d "$file"
done
sed -i 's/\.xz$//' "$tree/modules/order"
cp "$program" "$tree/bin/probe"
ldd "$program" | grep -oE '/[^ ]+' | sort -u | while read -r library; do
    mkdir -p "$tree$(dirname "$library")"
    cp -L "$library" "$tree$library"
done
cat >"$tree/init" <<'I'
#!/bin/sh
mount -t proc p /proc
mount -t sysfs s /sys
mount -t devtmpfs d /dev
while read m; do
    case $m in
        # One camera with the webcam input: sizes and rates of a webcam.
        vivid.ko) insmod /modules/$m n_devs=1 node_types=0x1 input_types=0x0 num_inputs=1 ;;
        *) insmod /modules/$m ;;
    esac
done </modules/order
# The firmware leaves the cursor in a line of its own making.
echo
/bin/probe
echo "probe: exit $?"
poweroff -f
I
chmod 755 "$tree/init"
(cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$out"
