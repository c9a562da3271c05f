// main.cpp: the one binary, `r1`.
#include "apps/commands.h"

int main(int argc, char** argv) { return r1::run_command_line(argc, argv); }
