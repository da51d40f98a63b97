# A server at home, where the MAC address recipe works: eth0 on a link with the owner's laptop and desk, a stranger,
# and the router to the Internet; sshd on port 22222, and the owner logged in from the laptop.
ip netns add switch
ip -n switch link add office type bridge
ip -n switch link set office up
ip link add eth0 type veth peer name server netns switch
ip -n switch link set server master office up
ip link set eth0 address 52:54:00:00:00:02 up
ip address add 192.168.1.2/24 dev eth0
ip address add 2001:db8:3::2/64 dev eth0 nodad
machine() {
  ip netns add "$1"
  ip -n switch link add "$1" type veth peer name eth0 netns "$1"
  ip -n switch link set "$1" master office up
  ip -n "$1" link set eth0 address "$2" up
  ip -n "$1" address add "192.168.1.$3/24" dev eth0
  ip -n "$1" address add "2001:db8:3::$3/64" dev eth0 nodad
}
machine router 00:16:3e:00:00:01 1
machine laptop 00:11:22:33:44:55 5
machine desk 00:16:3e:00:00:06 6
machine stranger 00:16:3e:00:00:99 99
ip route add default via 192.168.1.1
listen_as_sshd 22222
ping -c 1 -W 2 192.168.1.1
log_in laptop 192.168.1.5 192.168.1.2 22222
