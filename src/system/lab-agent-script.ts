/**
 * What runs in each namespace of the lab. Perl, because one process must live in each namespace and wait for hundreds
 * of answers at once: a Node takes 43 MB and starts in three times the time, a shell forks for every packet, and
 * perl-base is on every Debian (docs/decisions/006). It never runs what it reads: the words of a command are data,
 * and `ip` is started without a shell. An answer is one short line.
 *
 * Commands, a line each: `sysctl PATH VALUE…`, `line WORDS…` and `batch` for ip, `forget` the neighbours,
 * `listen tcp|udp PORT ADDRESS`, `probe ID ping|tcp|udp TARGET PORT`, `again` for all that wait, `stop` waiting, `sync`.
 */
export const AGENT_SCRIPT = String.raw`
use strict; use warnings;
use Socket qw(:DEFAULT :addrinfo SOCK_NONBLOCK IPPROTO_IPV6 IPV6_V6ONLY);

my (%wait, %socket, %listener, @batch);
my $rest = '';
sub say_line { syswrite(STDOUT, "@_\n") }

sub answer { my ($id, $admitted) = @_; close delete $socket{$id}; delete $wait{$id}; say_line('answer', $id, $admitted) }

# Linux's echo sockets: the kernel fills in identifier and checksum.
sub open_probe {
  my ($id, $kind, $target, $port) = @{$_[0]};
  my ($error, $at) = getaddrinfo($target, $kind eq 'ping' ? 0 : $port,
    { flags => AI_NUMERICHOST | AI_NUMERICSERV, socktype => SOCK_DGRAM });
  return say_line('answer', $id, 0) if $error;
  my $six = $at->{family} == AF_INET6;
  my ($type, $protocol) = $kind eq 'tcp' ? (SOCK_STREAM, 6) : (SOCK_DGRAM, $kind eq 'udp' ? 17 : $six ? 58 : 1);
  socket(my $socket, $at->{family}, $type | SOCK_NONBLOCK, $protocol) or return say_line('answer', $id, 0);
  $socket{$id} = $socket; $wait{$id} = $_[0];
  my $reached = connect($socket, $at->{addr});
  return answer($id, 0) if !$reached && !$!{EINPROGRESS};
  send_again($id) if $kind ne 'tcp';
}

sub send_again {
  my ($id) = @_;
  my (undef, $kind, $target) = @{$wait{$id}};
  if ($kind eq 'tcp') { my $probe = $wait{$id}; close $socket{$id}; return open_probe($probe) }
  send($socket{$id}, $kind eq 'udp' ? 'lab' : pack('C C n n n a3', $target =~ /:/ ? 128 : 8, 0, 0, 0, 1, 'lab'), 0);
}

sub heard {
  my ($id) = @_;
  my (undef, $kind, $target) = @{$wait{$id}};
  return answer($id, unpack('i', getsockopt($socket{$id}, SOL_SOCKET, SO_ERROR)) == 0 ? 1 : 0) if $kind eq 'tcp';
  my $got = sysread($socket{$id}, my $message, 2048);
  return answer($id, 0) unless $got;
  return answer($id, $message eq 'lab' ? 1 : 0) if $kind eq 'udp';
  answer($id, 1) if ord($message) == ($target =~ /:/ ? 129 : 0);
}

# TCP is accepted, UDP sent back from the address that was asked.
sub listen_on {
  my ($kind, $port, $address) = @_;
  my ($error, $at) = getaddrinfo($address, $port,
    { flags => AI_NUMERICHOST | AI_NUMERICSERV, socktype => $kind eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM });
  return "$error" if $error;
  socket(my $socket, $at->{family}, $at->{socktype} | SOCK_NONBLOCK, 0) or return "$!";
  setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
  setsockopt($socket, IPPROTO_IPV6, IPV6_V6ONLY, 1) if $at->{family} == AF_INET6;
  bind($socket, $at->{addr}) or return "$!";
  if ($kind eq 'tcp') { listen($socket, 1024) or return "$!" }
  $listener{fileno $socket} = [$socket, $kind];
  return;
}

sub attend {
  my ($socket, $kind) = @{$_[0]};
  if ($kind eq 'tcp') { while (accept(my $caller, $socket)) { close $caller } return }
  while (my $from = recv($socket, my $message, 2048, 0)) { send($socket, $message, 0, $from) }
}

sub run_ip {
  my ($input, @arguments) = @_;
  pipe(my $from, my $to); pipe(my $said, my $saying);
  my $child = fork // die;
  if (!$child) {
    open(STDIN, '<&', $from); open(STDOUT, '>&', $saying); open(STDERR, '>&', $saying);
    close $_ for $to, $said;
    exec 'ip', @arguments or exit 127;
  }
  close $_ for $from, $saying;
  local $SIG{PIPE} = 'IGNORE';
  print $to $input; close $to;
  my $complaint = join ' ', <$said>;
  waitpid($child, 0);
  $complaint =~ s/\s+/ /g;
  say_line($? == 0 ? 'done' : "failed $complaint");
}

sub obey {
  my ($word, @rest) = split ' ', $_[0];
  if ($word eq 'probe') { open_probe([@rest]) }
  elsif ($word eq 'again') { send_again($_) for keys %wait }
  elsif ($word eq 'stop') { close $_ for values %socket; %socket = %wait = (); say_line('done') }
  elsif ($word eq 'sync') { say_line('done') }
  elsif ($word eq 'listen') { my $problem = listen_on(@rest); say_line($problem ? "failed $problem" : 'done') }
  elsif ($word eq 'line') { push @batch, join(' ', @rest) . "\n" }
  elsif ($word eq 'batch') { run_ip(join('', splice @batch), '-batch', '-') }
  elsif ($word eq 'forget') { run_ip('', 'neigh', 'flush', 'all') }
  elsif ($word eq 'sysctl') {
    my ($path, @value) = @rest;
    if (open(my $file, '>', "/proc/sys/$path")) { syswrite($file, "@value\n") }
  }
}

say_line('ready', $$);
while (1) {
  my ($read, $write) = ('', '');
  vec($read, 0, 1) = 1;
  for my $id (keys %wait) {
    if ($wait{$id}[1] eq 'tcp') { vec($write, fileno $socket{$id}, 1) = 1 } else { vec($read, fileno $socket{$id}, 1) = 1 }
  }
  vec($read, $_, 1) = 1 for keys %listener;
  next if select($read, $write, undef, undef) < 0;
  for my $number (keys %listener) { attend($listener{$number}) if vec($read, $number, 1) }
  for my $id (keys %wait) {
    my $number = fileno $socket{$id};
    heard($id) if vec($read, $number, 1) || vec($write, $number, 1);
  }
  next unless vec($read, 0, 1);
  sysread(STDIN, $rest, 65536, length $rest) or exit;
  obey($1) while $rest =~ s/^(.*)\n//;
}
`
