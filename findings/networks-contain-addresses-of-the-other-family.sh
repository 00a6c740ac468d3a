#!/usr/bin/env bash
# pytricia 1.3.0 (PyPI) and ip-cidr 4.0.2 (npm): an IPv4 network contains IPv6 addresses, and the other way round.
#
# Both take addresses of both families, and compare numbers: pytricia the leading bits, ip-cidr the value. So what one says of the
# private addresses of IPv6 (fd00::/8), pytricia says of 253.0.0.0/8, and of 10.0.0.0/8 it says what one said of a00::/8, in one
# trie of 128 bits as one makes it for both. ip-cidr finds every address in the network of all addresses of the other
# family, IPv6 addresses with small values such as ::1 in IPv4 networks, and takes the NAT64 address 64:ff9b::10.0.0.1 for
# 10.0.0.1 as it is written with dots. A list of networks that a proxy may not reach, or of the clients that may ask it,
# must be kept by family. One would expect false, as netaddr 1.3.0 and cidr-tools 11.3.2 say of all of these.
#
# Seen (whether the network contains the address):
#   fd00::/8 253.0.0.1                  pytricia true, netaddr false
#   10.0.0.0/8 a00::1                   pytricia true, netaddr false
#   0.0.0.0/0 2001:db8::1               ip-cidr true, cidr-tools false
#   0.0.0.0/8 ::1                       ip-cidr true, cidr-tools false
#   ::/0 10.0.0.1                       ip-cidr true, cidr-tools false
#   10.0.0.0/8 64:ff9b::10.0.0.1        ip-cidr true, cidr-tools false
#   64:ff9b::/96 64:ff9b::10.0.0.1      ip-cidr false, cidr-tools true
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pytricia==1.3.0 netaddr==1.3.0
npm init --yes >/dev/null
npm install --silent --no-fund --no-audit ip-cidr@4.0.2 cidr-tools@11.3.2
cat >finding.py <<'END_PY'
import netaddr
import pytricia

for network, address in [("fd00::/8", "253.0.0.1"), ("10.0.0.0/8", "a00::1")]:
    trie = pytricia.PyTricia(128)
    trie[network] = "the network"
    other = netaddr.IPAddress(address) in netaddr.IPNetwork(network)
    print(f"{network} {address}".ljust(35), f"pytricia {address in trie}, netaddr {other}".lower())
END_PY
cat >finding.mjs <<'END_JS'
import { containsCidr } from "cidr-tools";
import IPCIDR from "ip-cidr";

const pairs = [
  ["0.0.0.0/0", "2001:db8::1"],
  ["0.0.0.0/8", "::1"],
  ["::/0", "10.0.0.1"],
  ["10.0.0.0/8", "64:ff9b::10.0.0.1"],
  ["64:ff9b::/96", "64:ff9b::10.0.0.1"],
];
for (const [network, address] of pairs) {
  const contains = `ip-cidr ${new IPCIDR(network).contains(address)}, cidr-tools ${containsCidr(network, address)}`;
  console.log(`${network} ${address}`.padEnd(35), contains);
}
END_JS
{ venv/bin/python finding.py && node finding.mjs; } | tee output.txt
cat >expected.txt <<'END_TXT'
fd00::/8 253.0.0.1                  pytricia true, netaddr false
10.0.0.0/8 a00::1                   pytricia true, netaddr false
0.0.0.0/0 2001:db8::1               ip-cidr true, cidr-tools false
0.0.0.0/8 ::1                       ip-cidr true, cidr-tools false
::/0 10.0.0.1                       ip-cidr true, cidr-tools false
10.0.0.0/8 64:ff9b::10.0.0.1        ip-cidr true, cidr-tools false
64:ff9b::/96 64:ff9b::10.0.0.1      ip-cidr false, cidr-tools true
END_TXT
cmp -s expected.txt output.txt || { echo "this has changed" >&2; exit 1; }
