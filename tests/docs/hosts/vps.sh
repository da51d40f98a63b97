# A VPS: eth0 behind the provider's gateway (203.0.113.1, with a MAC that looks private), sshd on port 22222.
# Behind the gateway stand a client (198.51.100.7) and a stranger (192.0.2.66); their packets carry the gateway's MAC.
ip netns add gateway
ip link add eth0 type veth peer name down0 netns gateway
ip link set eth0 address 52:54:00:00:00:10 up
ip address add 203.0.113.10/24 dev eth0
ip address add 2001:db8:1::10/64 dev eth0 nodad
ip -n gateway link set down0 address fe:00:00:00:01:01 up
ip -n gateway address add 203.0.113.1/24 dev down0
ip -n gateway address add 2001:db8:1::1/64 dev down0 nodad
ip -n gateway address add fe80::1/64 dev down0 nodad

# far_away NAME, its IPv4 network's first three numbers, its last number, its IPv6 network
far_away() {
  ip netns add "$1"
  ip -n gateway link add "$1" type veth peer name eth0 netns "$1"
  ip -n gateway link set "$1" up
  ip -n gateway address add "$2.1/24" dev "$1"
  ip -n gateway address add "$4::1/64" dev "$1" nodad
  ip -n "$1" link set eth0 up
  ip -n "$1" address add "$2.$3/24" dev eth0
  ip -n "$1" address add "$4::$3/64" dev eth0 nodad
  ip -n "$1" route add default via "$2.1"
  ip -n "$1" -6 route add default via "$4::1"
}
far_away client 198.51.100 7 2001:db8:7
far_away stranger 192.0.2 66 2001:db8:66
ip netns exec gateway sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

ip route add default via 203.0.113.1
ip -6 route add default via fe80::1 dev eth0
listen_as_sshd 22222
# The gateway's MAC is known, as on any host that has sent a packet over IPv4 and IPv6.
ping -c 1 -W 2 203.0.113.1
ping -c 1 -W 2 fe80::1%eth0
