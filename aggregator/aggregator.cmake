# serin-aggregator: the fold in its shell.
serin_library(serin_aggregator_lib SOURCES config.cpp aggregator.cpp run.cpp
  LIBS serin_api serin_notify serin_effects serin_core serin_aggregator_bus)

serin_binary(serin-aggregator SOURCES main.cpp LIBS serin_aggregator_lib CLI11::CLI11 fmt::fmt)
