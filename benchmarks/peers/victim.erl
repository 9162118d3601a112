%% Crashes when told to; its successor says when it handles its first message.
-module(victim).
-behaviour(gen_server).
-export([start_link/0, init/1, handle_cast/2, handle_call/3, handle_info/2]).

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

init([]) ->
    self() ! first,
    {ok, nothing}.

handle_info(first, State) ->
    meter ! {handled, erlang:monotonic_time(nanosecond)},
    {noreply, State}.

handle_cast(crash, _State) ->
    meter ! {crashing, erlang:monotonic_time(nanosecond)},
    error(boom).

handle_call(_Request, _From, State) ->
    {reply, ok, State}.
