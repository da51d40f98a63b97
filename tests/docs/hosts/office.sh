# An office gateway: eth0 to the Internet, eth1 to the office with two machines on it, sshd on port 22.
ip netns add uplink
ip netns add desk
ip netns add visitor
ip link add eth0 type veth peer name eth0 netns uplink
ip link set eth0 address 52:54:00:00:00:20 up
ip address add 203.0.113.20/24 dev eth0
ip -n uplink link set eth0 address 52:54:00:00:00:01 up
ip -n uplink address add 203.0.113.1/24 dev eth0

# The cable of eth1 ends in a switch of the office's own.
ip netns add switch
ip -n switch link add office type bridge
ip -n switch link set office up
ip link add eth1 type veth peer name port0 netns switch
ip -n switch link set port0 master office up
ip link set eth1 address 52:54:00:00:00:21 up
ip address add 192.168.1.1/24 dev eth1
ip address add 2001:db8:2::1/64 dev eth1 nodad
machine() {
  ip -n switch link add "to-$1" type veth peer name eth0 netns "$1"
  ip -n switch link set "to-$1" master office up
  ip -n "$1" link set eth0 address "$2" up
  ip -n "$1" address add "$3/24" dev eth0
  ip -n "$1" address add "2001:db8:2::${3##*.}/64" dev eth0 nodad
  ip -n "$1" route add default via 192.168.1.1
}
machine desk 00:16:3e:00:00:07 192.168.1.7
machine visitor 00:16:3e:00:00:99 192.168.1.99

ip route add default via 203.0.113.1
sysctl -q -w net.ipv4.ip_forward=1
listen_as_sshd 22
ping -c 1 -W 2 203.0.113.1
ip netns exec desk ping -c 1 -W 2 192.168.1.1
