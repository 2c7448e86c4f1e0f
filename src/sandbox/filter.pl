# Runs first inside the container: takes from itself, and so from all that comes after it, the ways out that a network of its own
# does not close, then becomes the program that it is given. A machine may be a virtual one, and AF_VSOCK leads to its host; not every
# engine's seccomp profile keeps it from 64-bit programs, and none from 32-bit ones. io_uring makes sockets without asking.
use strict;
use warnings;
use POSIX ();

my %machines = (x86_64 => [0xc000003e, 157, 41], aarch64 => [0xc00000b7, 167, 198]);    # audit architecture, prctl, socket
my $machine = $machines{(POSIX::uname())[4]} or die "claude-remote: the sandbox knows x86_64 and aarch64 alone\n";
my ($architecture, $prctl, $socket) = @$machine;
my ($IO_URING_SETUP, $KILL, $REFUSE, $ALLOW) = (425, 0x80000000, 0x00050001, 0x7fff0000);
my @families = (1, 2, 10, 16);    # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: what stays in this container's own network
my @filter = (                       # classic BPF over struct seccomp_data: operation, jumps if true and if not, operand
    [0x20, 0, 0, 4],                 # architecture
    [0x15, 1, 0, $architecture],
    [0x06, 0, 0, $KILL],
    [0x20, 0, 0, 0],                 # number of the call
    [0x54, 0, 0, 0xbfffffff],        # without the mark of x32
    [0x15, 2 + @families, 0, $IO_URING_SETUP],
    [0x15, 0, 2 + @families, $socket],
    [0x20, 0, 0, 16],                # first argument
    (map { [0x15, @families - $_, 0, $families[$_]] } 0 .. $#families),
    [0x06, 0, 0, $REFUSE],
    [0x06, 0, 0, $ALLOW],
);
my $code = join '', map { pack 'SCCL', @$_ } @filter;
my $program = pack 'Sx![P]P', scalar @filter, $code;
syscall($prctl, 22, 2, $program) == 0 or die "claude-remote: no seccomp filter to be had: $!\n";    # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
# Ctrl-Z must not stop what nobody in here could continue: the shell that can gives it back
my $terminal = POSIX::Termios->new;
if (-t STDIN && defined $terminal->getattr(0)) {
    $terminal->setcc(POSIX::VSUSP(), 0);
    $terminal->setattr(0, POSIX::TCSANOW());
}
exec { $ARGV[0] } @ARGV or die "claude-remote: $ARGV[0]: $!\n";
