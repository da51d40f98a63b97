# SSH for the demo and the tests of the pages, which must work where there is no sshd: real TCP connections and a process
# named sshd above what runs over them, and nothing secret. perl-base is part of every Debian.
#   sshd ssh-stand-in.pl serve PORT           goes into the background when the socket is there
#   perl ssh-stand-in.pl dial [OPTION…] USER@HOST COMMAND…   takes ssh's -p PORT, -b ADDRESS, -t, -o ConnectTimeout=SECONDS
use strict;
use warnings;
use IO::Socket::IP;

my $task = shift // '';
if ($task eq 'serve') { serve(shift) }
elsif ($task eq 'dial') { dial(@ARGV) }
else { die "usage: serve PORT, or dial USER\@HOST COMMAND\n" }

sub serve {
    my ($port) = @_;
    my $listener = IO::Socket::IP->new(Listen => 5, LocalHost => '::', LocalPort => $port, V6Only => 0)
      or die "cannot listen on $port: $@\n";
    fork and exit;
    open(STDIN,  '<', '/dev/null');
    open(STDOUT, '>', '/dev/null');
    open(STDERR, '>', '/dev/null');
    $SIG{CHLD} = 'IGNORE';
    while (1) {
        my $connection = $listener->accept or next;
        if (!fork) { close $listener; session($connection); exit }
        close $connection;
    }
}

# As sshd does: this process holds the connection, the one below it runs the command.
sub session {
    my ($connection) = @_;
    $SIG{CHLD} = 'DEFAULT';
    my $command = <$connection>;
    exit if !defined $command;
    my @ends = map { s/^::ffff://r } $connection->peerhost, $connection->peerport, $connection->sockhost,
      $connection->sockport;
    my $child = fork;
    if (!$child) {
        $ENV{SSH_CONNECTION} = "@ends";
        open(STDOUT, '>&', $connection);
        open(STDERR, '>&', $connection);
        close $connection;
        exec '/bin/bash', '-c', $command;
    }
    waitpid $child, 0;
    syswrite $connection, "\0" . ($? & 127 ? 128 + ($? & 127) : $? >> 8);
}

sub dial {
    my ($port, $patience, @from) = (22, 20);
    while (@_ && $_[0] =~ /^-(.)(.*)/) {
        my ($letter, $value) = ($1, $2);
        shift;
        next if $letter eq 't';
        $value = shift if $value eq '';
        $port = $value if $letter eq 'p';
        @from = (LocalHost => $value, LocalPort => 50022) if $letter eq 'b';
        $patience = $1 if $letter eq 'o' && $value =~ /^ConnectTimeout=(\d+)$/;
    }
    my ($user, $host) = split /@/, shift, 2;
    my $connection = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Timeout => $patience, @from);
    if (!$connection) {
        print STDERR "ssh: connect to host $host port $port: Connection timed out\n";
        exit 255;
    }
    $| = 1;
    syswrite $connection, join(' ', @_) . "\n";
    while (sysread $connection, my $text, 65536) {
        print $text =~ s/\0.*//sr;
        exit $1 if $text =~ /\0(\d+)$/;
    }
    print STDERR "Connection to $host closed by remote host.\n";
    exit 255;
}
