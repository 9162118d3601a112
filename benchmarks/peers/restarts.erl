%% Crashes under a supervisor with the default logger: from the crash to the successor's first
%% handled message. A fresh supervisor for each batch: OTP scans its list of restarts.
-module(restarts).
-behaviour(supervisor).
-export([crashes/1, init/1]).

crashes(Count) ->
    register(meter, self()),
    {ok, Supervisor} = supervisor:start_link(?MODULE, []),
    receive {handled, _} -> ok end,
    Ns = [crash() || _ <- lists:seq(1, Count)],
    unlink(Supervisor),
    Reference = monitor(process, Supervisor),
    exit(Supervisor, shutdown),
    receive {'DOWN', Reference, _, _, _} -> ok end,
    unregister(meter),
    lists:nth(Count div 2 + 1, lists:sort(Ns)) * Count.

crash() ->
    gen_server:cast(victim, crash),
    receive {crashing, Began} -> ok end,
    receive {handled, At} -> At - Began end.

init([]) ->
    Flags = #{strategy => one_for_one, intensity => 1000, period => 1},
    {ok, {Flags, [#{id => victim, start => {victim, start_link, []}}]}}.
