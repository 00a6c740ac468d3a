# A module for runtests.pl -L that makes its comparisons tolerate the changes that a proxy may make.
#
# curl's tests compare bytes, and assume that there is no proxy. A proxy may change the case and the order of header
# fields, the reason phrase and the version of a message. It has fields of its own: Via, Connection and the fields that
# Connection names, Transfer-Encoding of a response, and Date where there was none. It may send a 100 of its own, may divide
# a body into other chunks, and may close connections at any time. Everything else has to be as the test expects.
use strict;
use warnings;

# Hop-by-hop fields.
my %HOPS = map { $_ => 1 } qw(via connection proxy-connection keep-alive te date);

# Returns the lines with each head replaced by the result of `head`, which is told whether it is a request or a response.
sub heads {
    my ($lines, %with) = @_;
    my (@all, @head);
    my $within = "";
    # After a body without a final line ending, the next request is on the same line.
    my $text = join("", @$lines) =~ s{(?<=[^\n])(?=(?:GET|HEAD|POST|PUT|DELETE) \S+ HTTP/1\.[01]\r\n)}{\0}gr;
    for my $line (split(/(?<=\n)|\0(?=[A-Z]+ )/, $text)) {
        if(!$within) {
            $within = $line =~ m{^[A-Z]+ \S+ HTTP/1\.[01]\r?\n$} ? "request"
                : $line =~ m{^HTTP/1\.[01] \d{3}\b.*\n$} ? "response" : "";
            if($within) {
                push @head, $line;
            }
            else {
                # The hexadecimal digits of a chunk size have no case.
                push @all, $line =~ s/^([0-9A-Fa-f]{1,8}\r\n)$/lc $1/er;
            }
        }
        else {
            push @head, $line;
            if($line =~ /^\r?\n$/) {
                push @all, $with{head}->($within, @head);
                @head = ();
                $within = "";
            }
        }
    }
    push @all, $with{head}->($within, @head) if $within;
    return @all;
}

# The case in which curl writes the names, so that the strip rules of tests match.
sub as_curl_writes {
    my (undef, @head) = @_;
    s/^([a-z][a-z0-9-]*):/join("-", map { ucfirst } split("-", $1)) . ":"/e for @head;
    return @head;
}

sub without_what_a_proxy_may_change {
    my ($kind, $first, @rest) = @_;
    return if $first =~ m{^HTTP/1\.[01] 100};
    $first =~ s{HTTP/1\.[01]\r?\n$}{HTTP/1.1\n};
    $first =~ s{^HTTP/1\.[01] (\d{3}).*}{HTTP/1.1 $1};
    my @fields;
    for my $line (@rest) {
        my ($name, $value) = $line =~ /^([^:\s]+):\s*(.*?)\s*$/ or next;
        $name = lc $name;
        next if $HOPS{$name} || ($kind eq "response" && $name eq "transfer-encoding");
        push @fields, [$name, "$name: $value\n"];
    }
    # Sorted by name. Fields of one name stay in order.
    my @at = sort { $fields[$a][0] cmp $fields[$b][0] || $a <=> $b } 0..$#fields;
    my @end = @rest && $rest[-1] =~ /^\r?\n$/ ? ("\n") : ();
    return ($first, (map { $fields[$_][1] } @at), @end);
}

# Returns the lines with adjacent chunks of a body joined into one. A proxy sends on what has come, so where a segment of TCP
# ends within a chunk there are two (RFC 9112, section 7.1).
sub with_joined_chunks {
    my $text = join("", @_);
    while($text =~ /^([0-9a-f]{1,8})\r\n/mg) {
        my ($from, $body, $size) = ($-[0], $+[0], hex($1));
        next unless $size && $body + $size <= length($text);
        next unless substr($text, $body + $size) =~ /^\r\n([0-9a-f]{1,8})\r\n/;
        my ($next, $next_size) = ($body + $size + $+[0], hex($1));
        next unless $next_size && $next + $next_size <= length($text) && substr($text, $next + $next_size, 2) eq "\r\n";
        my $joined = substr($text, $body, $size) . substr($text, $next, $next_size);
        substr($text, $from, $next + $next_size - $from) = sprintf("%x\r\n", length $joined) . $joined;
        pos($text) = $from;
    }
    return split(/(?<=\n)/, $text);
}

{
    no strict "refs";
    no warnings "redefine";
    my $compare = \&main::compare;
    *{"main::compare"} = sub {
        my ($runner, $number, $name, $subject, @sides) = @_;
        my @plain = map {
            my @kept = grep { $_ ne "[DISCONNECT]\n" } heads($_, head => \&without_what_a_proxy_may_change);
            [with_joined_chunks(@kept)]
        } @sides;
        return $compare->($runner, $number, $name, $subject, @plain);
    };
    my $load = \&main::loadarray;
    *{"main::loadarray"} = sub {
        return heads([$load->(@_)], head => \&as_curl_writes);
    };
}
1;
