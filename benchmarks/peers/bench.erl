%% The Erlang side of bin/bench runtime: obeys lines "what count" on one descriptor and answers the
%% nanoseconds that count operations took on another.
-module(bench).
-export([main/1]).

main([In, Out, Python, Child]) ->
    Fds = {fd, list_to_integer(In), list_to_integer(Out)},
    Orders = open_port(Fds, [{line, 256}, eof]),
    {ok, Sink} = sink:start_link(),
    put(sink, Sink),
    put(port_child, {Python, Child}),
    serve(Orders).

serve(Orders) ->
    receive
        {Orders, {data, {eol, Line}}} ->
            [What, Count] = string:lexemes(Line, " "),
            Ns = measure(list_to_atom(What), list_to_integer(Count)),
            port_command(Orders, [integer_to_list(Ns), "\n"]),
            serve(Orders);
        {Orders, eof} ->
            halt()
    end.

measure(crash, Count) ->
    restarts:crashes(Count);
measure(port, Count) ->
    Port = port(),
    Message = term_to_binary(message()),
    timed(fun() -> times(Count, fun() -> ask_port(Port, Message) end) end);
measure(cast, Count) ->
    Sink = get(sink),
    Message = message(),
    timed(fun() ->
        times(Count, fun() -> gen_server:cast(Sink, term_to_binary(Message)) end),
        gen_server:call(Sink, flush, infinity)
    end);
measure(call, Count) ->
    Sink = get(sink),
    Message = message(),
    timed(fun() ->
        times(Count, fun() ->
            binary_to_term(gen_server:call(Sink, term_to_binary(Message), infinity))
        end)
    end).

timed(Work) ->
    Began = erlang:monotonic_time(nanosecond),
    Work(),
    erlang:monotonic_time(nanosecond) - Began.

times(0, _Work) ->
    ok;
times(Count, Work) ->
    Work(),
    times(Count - 1, Work).

port() ->
    case get(port) of
        undefined ->
            {Python, Child} = get(port_child),
            Options = [{args, ["-I", Child]}, {packet, 4}, binary],
            Port = open_port({spawn_executable, Python}, Options),
            put(port, Port),
            Port;
        Port ->
            Port
    end.

ask_port(Port, Message) ->
    port_command(Port, Message),
    receive
        {Port, {data, Answer}} -> Answer
    end.

%% As kit/words.py has it: fifteen fields, three nested.
message() ->
    #{
        type => <<"bench.typical">>,
        deposit => <<"01J9Z6YV6N-000000421">>,
        camera => <<"/vision/camera">>,
        model => <<"detector-v0">>,
        backend => <<"onnxruntime">>,
        sequence => 184467,
        slot => 3,
        generation => 92232,
        width => 1280,
        height => 720,
        exposed_ns => 8123456789012,
        milliseconds => 41.375,
        mass_g => 23.5,
        is_fresh => true,
        article => <<"8992761002015">>,
        things => [
            thing(<<"mineral">>, 0.9375, 412.25, 96.5, 880.75, 655.0),
            thing(<<"soda">>, 0.0625, 400.0, 90.5, 890.25, 660.5),
            thing(<<"not_empty">>, 0.03125, 415.5, 101.0, 871.0, 640.25)
        ]
    }.

thing(Class, Confidence, X1, Y1, X2, Y2) ->
    #{class_name => Class, confidence => Confidence, x1 => X1, y1 => Y1, x2 => X2, y2 => Y2}.
