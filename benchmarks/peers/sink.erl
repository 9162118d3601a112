%% Takes encoded messages and decodes them; answers a call with an encoded short answer.
-module(sink).
-behaviour(gen_server).
-export([start_link/0, init/1, handle_cast/2, handle_call/3]).

start_link() ->
    gen_server:start_link(?MODULE, [], []).

init([]) ->
    {ok, nothing}.

handle_cast(Binary, State) ->
    #{sequence := _} = binary_to_term(Binary),
    {noreply, State}.

handle_call(flush, _From, State) ->
    {reply, ok, State};
handle_call(Binary, _From, State) ->
    #{sequence := Sequence} = binary_to_term(Binary),
    {reply, term_to_binary(#{type => <<"bench.ack">>, sequence => Sequence}), State}.
