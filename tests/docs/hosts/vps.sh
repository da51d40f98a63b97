# A VPS: eth0 behind the provider's gateway (203.0.113.1, with a MAC that looks private), sshd on port 22222.
# A client, 198.51.100.7, stands behind the gateway; its packets carry the gateway's MAC.
ip netns add gateway
ip netns add client
ip link add eth0 type veth peer name down0 netns gateway
ip -n gateway link add up0 type veth peer name eth0 netns client

ip link set eth0 address 52:54:00:00:00:10 up
ip address add 203.0.113.10/24 dev eth0
ip address add 2001:db8:1::10/64 dev eth0 nodad
ip -n gateway link set down0 address fe:00:00:00:01:01 up
ip -n gateway address add 203.0.113.1/24 dev down0
ip -n gateway address add 2001:db8:1::1/64 dev down0 nodad
ip -n gateway link set up0 up
ip -n gateway address add 198.51.100.1/24 dev up0
ip -n client link set eth0 up
ip -n client address add 198.51.100.7/24 dev eth0
ip -n client route add default via 198.51.100.1
ip netns exec gateway sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

ip route add default via 203.0.113.1
ip -6 route add default via 2001:db8:1::1
listen_as_sshd 22222
# The gateway's MAC is known, as on any host that has sent a packet.
ping -c 1 -W 2 203.0.113.1
