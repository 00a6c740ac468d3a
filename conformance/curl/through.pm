# For runtests.pl -L: takes what it compares for what a proxy may make of it.
#
# curl's tests compare octets, with no proxy between. A proxy may change the case and the order of header fields, the
# reason phrase and the version of a message, and has fields of its own: Via, Connection and those that Connection names,
# Transfer-Encoding of a response, Date where there was none. All else has to be as the test says.
use strict;
use warnings;

# Fields that are each hop's own.
my %HOPS = map { $_ => 1 } qw(via connection proxy-connection keep-alive te date);

sub same_through_a_proxy {
    my @lines = split(/(?<=\n)/, join("", @_));
    my (@told, @head);
    my $within = "";
    for my $line (@lines) {
        if(!$within) {
            if($line =~ s{^([A-Z]+ \S+ )HTTP/1\.[01](\r?\n)$}{$1HTTP/1.1$2}) {
                $within = "request";
            }
            elsif($line =~ s{^HTTP/1\.[01] (\d{3})\b.*?(\r?\n)$}{HTTP/1.1 $1$2}) {
                $within = "response";
            }
            push @told, $line;
        }
        elsif($line =~ /^\r?\n$/) {
            push @told, sorted(@head), $line;
            @head = ();
            $within = "";
        }
        else {
            # Some tests have lines that end in LF alone; what a proxy writes ends in CRLF.
            my ($name, $value) = $line =~ /^([^:\s]+):\s*(.*?)\s*$/;
            if(!defined $name) {
                push @head, $line;
                next;
            }
            $name = lc $name;
            next if $HOPS{$name} || ($within eq "response" && $name eq "transfer-encoding");
            push @head, "$name: $value\n";
        }
    }
    return (@told, sorted(@head));
}

# By name; fields of one name stay in order.
sub sorted {
    my @at = sort { ($_[$a] =~ /^([^:]*)/)[0] cmp ($_[$b] =~ /^([^:]*)/)[0] || $a <=> $b } 0..$#_;
    return @_[@at];
}

{
    no strict "refs";
    no warnings "redefine";
    my $exact = \&main::compare;
    *{"main::compare"} = sub {
        my ($runner, $number, $name, $subject, $first, $second) = @_;
        my @first = same_through_a_proxy(@$first);
        my @second = same_through_a_proxy(@$second);
        return $exact->($runner, $number, $name, $subject, \@first, \@second);
    };
}
1;
