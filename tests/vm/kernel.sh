#!/bin/bash
# Prints the folder of an unpacked Debian kernel (boot/, lib/modules/), fetched once into the cache folder $1.
set -euo pipefail
cache=$1
if compgen -G "$cache/kernel/boot/vmlinuz-*" >/dev/null; then
    echo "$cache/kernel"
    exit
fi
package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-.*-amd64\).*/\1/p' | head -1)
if [ -z "$package" ]; then
    echo "tests/vm: no linux-image-amd64 in the package lists (run apt-get update)" >&2
    exit 2
fi
fetch=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$fetch"' EXIT
chmod 755 "$fetch"
# Its own archive folder: parallel apt runs delete each other's downloads.
(cd "$fetch" && apt-get download -q -o Dir::Cache::archives="$fetch" "$package" >&2)
dpkg-deb -x "$fetch"/linux-image-*.deb "$fetch/kernel"
rm -rf "$cache/kernel"
mv "$fetch/kernel" "$cache/kernel"
echo "$cache/kernel"
