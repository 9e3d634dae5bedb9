#!/bin/bash
# The README's two commands in a new Debian that has only Rust, Node.js and git, so that what this machine happens to have
# installed can't hide a missing step. Rust means the toolchain of this machine and the C linker that rustup asks for.
#
#   tests/fresh/run.sh OUT      OUT: where the demo's report and pictures go
#
# Carried in: the toolchain, Node.js, and how this machine reaches its package registries. Everything else comes from them.
# Needs root, debootstrap, unshare. Prints `fresh: NAME SECONDS` for each command that passed. Exit 2: something is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
out=$(realpath -m "${1:?usage: tests/fresh/run.sh OUT}")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/invigil

if [ "$(id -u)" != 0 ]; then
    echo "tests/fresh: only root can make a new Debian here" >&2
    exit 2
fi
for tool in debootstrap unshare chroot git node npm rustc; do
    if ! command -v "$tool" >/dev/null; then
        echo "tests/fresh: $tool is missing" >&2
        exit 2
    fi
done
if [ -n "$(git -C "$here" status --porcelain)" ]; then
    echo "tests/fresh: what is not committed is not in the clone and so not tested" >&2
fi

mkdir -p "$cache" "$out"
root=$(mktemp -d "$cache/fresh.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
echo "A new Debian ($suite)"
debootstrap --variant=minbase --include=git,ca-certificates,gcc,libc6-dev,libstdc++6 "$suite" "$root" "$mirror" >"$out/debootstrap.log"

# How this machine reaches its registries.
rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d"
for file in apt/sources.list apt/sources.list.d apt/auth.conf.d apt/keyrings apt/trusted.gpg.d apt/trusted.gpg npmrc resolv.conf hosts; do
    if [ -e "/etc/$file" ]; then cp -aL "/etc/$file" "$root/etc/$(dirname "$file")/"; fi
done
apt-config dump | grep '^Acquire' >"$root/etc/apt/apt.conf.d/99carried-in" || true
for file in .npmrc .cargo/config.toml; do
    if [ -e "$HOME/$file" ]; then install -D -m 600 "$HOME/$file" "$root/root/$file"; fi
done
rm -rf "$root/etc/ssl/certs"
cp -aL /etc/ssl/certs "$root/etc/ssl/"
mapfile -t carried < <(env | grep -E '^(https?_proxy|HTTPS?_PROXY|NO_PROXY|no_proxy|SSL_CERT_[A-Z]+|NODE_EXTRA_CA_CERTS|CURL_CA_BUNDLE|GIT_SSL_CAINFO|(CARGO_(NET|HTTP|REGISTR)|NPM_CONFIG|npm_config)[A-Za-z_]*)=')

# Rust and Node.js.
toolchain=$(rustc --print sysroot)
npm=$(dirname "$(dirname "$(realpath "$(command -v npm)")")")
mkdir -p "$root/opt/rust" "$root/usr/local/lib/node_modules"
cp "$(node -p process.execPath)" "$root/usr/local/bin/node"
cp -a "$npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"

git clone --quiet "file://$here" "$root/root/invigil"

cat >"$root/root/both" <<'E2'
#!/bin/bash
set -euo pipefail
cd /root/invigil
start=$SECONDS
cargo xtask demo --headless --seconds 20 --out /root/demo
echo "fresh: demo $((SECONDS - start))"
start=$SECONDS
cargo xtask test
echo "fresh: test $((SECONDS - start))"
E2
chmod +x "$root/root/both"

status=0
export root toolchain
unshare --mount --pid --fork --kill-child --propagation private bash -euc '
    mount --bind "$root" "$root"
    cd "$root"
    mount --bind -o ro "$toolchain" "$root/opt/rust"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" env -i HOME=/root USER=root LANG=C.UTF-8 CARGO_TERM_COLOR=never \
        PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" /root/both
' fresh "${carried[@]}" </dev/null || status=$?
if [ -d "$root/root/demo" ]; then cp -r "$root/root/demo" "$out/"; fi
if [ -d "$root/root/invigil/out" ]; then cp -r "$root/root/invigil/out" "$out/test-out"; fi
exit "$status"
