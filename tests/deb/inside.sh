#!/bin/bash
# Runs inside the machine, as root, after systemd has started: what an administrator does with the package. Each line that begins
# with "deb: " is a claim that was just checked.
set -uo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
data=/var/lib/invigil

end() { systemctl poweroff --force --force; }
fail() {
    echo "deb: FAILED $*"
    systemctl status --no-pager -l invigil-sfu.service
    journalctl --no-pager -n 40 -u invigil-sfu.service
    end
    exit 1
}
told() { echo "deb: $*"; }
sfu() { runuser -u invigil -- invigil-sfu "$@"; }
active() { [ "$(systemctl is-active invigil-sfu.service)" = active ]; }
healthy() { curl -fsk --max-time 60 https://127.0.0.1:8443/healthz >/dev/null; }
version() { dpkg-query -W -f '${Version}' invigil-sfu; }

echo
ip link set lo up
insmod /root/dummy.ko && ip link add inside type dummy && ip addr add 10.9.8.7/24 dev inside && ip link set inside up && ip route add default dev inside || fail "no network"

dpkg -i /root/old.deb || fail "dpkg -i"
old=$(version)
# Type=notify: active means that the server has said it is ready.
active && healthy || fail "not running after the installation"
told "installed and running"
pid=$(systemctl show -p MainPID --value invigil-sfu.service)
[ "$(ps -o user= -p "$pid")" = invigil ] || fail "runs as somebody else"
[ "$(stat -c '%U %a' $data)" = "invigil 700" ] || fail "the data directory: $(stat -c '%U %a' $data)"
[ "$(stat -c '%U:%G %a' /etc/invigil/invigil-sfu.toml)" = "root:invigil 640" ] || fail "the settings can be read by others"
[ "$(awk '/Max open files/ { print $4 }' "/proc/$pid/limits")" -ge 65536 ] || fail "file descriptors"
told "runs as its own user with its own limits"
journalctl -u invigil-sfu.service -o cat | grep -q 'One-time setup code: [0-9A-Z-]\{14\}' || fail "no setup code in the journal"
told "the journal has the setup code"

sfu exam create --data-dir $data --title "Anatomy" --code ANAT-1 >/dev/null || fail "exam create"
kept() { sfu exam list --data-dir $data | grep -q ANAT-1; }
kept || fail "the exam is not there"
sed -i 's/^#level = "info"/level = "debug"/' /etc/invigil/invigil-sfu.toml
systemctl reload invigil-sfu.service && active && healthy || fail "reload"
told "used and reloaded"

systemctl kill -s KILL invigil-sfu.service
for _ in $(seq 60); do active && healthy && break; sleep 1; done
active && healthy && [ "$(systemctl show -p MainPID --value invigil-sfu.service)" != "$pid" ] || fail "was not started again"
told "started again after a kill"

dpkg -i --force-confdef --force-confold /root/new.deb || fail "the upgrade"
[ "$(version)" != "$old" ] && active && healthy || fail "not running after the upgrade"
kept && grep -q '^level = "debug"' /etc/invigil/invigil-sfu.toml || fail "the upgrade kept not everything"
told "upgraded from $old to $(version), data and settings kept"

dpkg -r invigil-sfu || fail "dpkg -r"
active && fail "runs after the removal"
[ ! -e /usr/bin/invigil-sfu ] && [ -e $data/invigil.sqlite ] && [ -e /etc/invigil/invigil-sfu.toml ] || fail "removed too much or too little"
told "removed, data and settings left"
dpkg -i /root/new.deb || fail "installed again"
active && healthy && kept || fail "the data are not back"
told "installed again, the exam is still there"
dpkg -P invigil-sfu || fail "dpkg -P"
[ ! -e /etc/invigil ] && [ -e $data/invigil.sqlite ] || fail "purged too much or too little"
told "purged, what was kept of exams is left"
told passed
end
