# An office gateway: eth0 to the Internet, eth1 to the office with two machines on it, sshd on port 22, and whoever types the
# commands logged in from the machine desk. The machine
# desk serves port 80 in the office. machines.csv in the home folder is the office's own list of 200 machines.
ip netns add uplink
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
  ip netns add "$1"
  ip -n switch link add "to-$1" type veth peer name eth0 netns "$1"
  ip -n switch link set "to-$1" master office up
  ip -n "$1" link set eth0 address "$2" up
  ip -n "$1" address add "$3/24" dev eth0
  ip -n "$1" address add "2001:db8:2::${3##*.}/64" dev eth0 nodad
  ip -n "$1" route add default via 192.168.1.1
}
machine desk 00:16:3e:00:00:07 192.168.1.7
machine visitor 00:16:3e:00:00:99 192.168.1.99
for number in $(seq 1 200); do
  printf 'pc%03d,00:16:3e:01:00:%02x\n' "$number" "$number"
done >"$HOME/machines.csv"

ip route add default via 203.0.113.1
sysctl -q -w net.ipv4.ip_forward=1
listen_as_sshd 22
ip netns exec desk perl -MIO::Socket::IP -e '
  my $socket = IO::Socket::IP->new(Listen => 5, LocalHost => "::", LocalPort => 80, V6Only => 0) or die $!;
  fork and exit; close STDOUT; close STDERR; 1 while $socket->accept'
ping -c 1 -W 2 203.0.113.1
ip netns exec desk ping -c 1 -W 2 192.168.1.1
# The gateway's own NAT, in a table that is not admit's.
nft -f - <<'END'
table ip office {
	chain prerouting {
		type nat hook prerouting priority dstnat;
	}
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "eth0" masquerade
	}
}
END
log_in desk 192.168.1.7 192.168.1.1 22
