# Makefile: the commands to remember; each wraps a CMake preset. README.md says what the first two do for a new user.
BUILD_JOBS ?= $(shell nproc)
T ?= *

.PHONY: dev release run test soak check format asan tsan fuzz bench roofline schemathesis lm-eval arm64 portable setup clean

dev: setup
	@tools/build.sh dev

release: setup
	@tools/build.sh release

run: setup
	@tools/build.sh release r1
	@tools/run.sh

test: release
	@tools/test.sh release '$(T)'

soak: release
	@tools/soak.sh '$(T)'

check: setup
	@tools/check.sh

format: setup
	@git ls-files 'src/*.h' 'src/*.cpp' 'tests/*.h' 'tests/*.cpp' 'bench/*.cpp' | xargs clang-format -i

asan tsan: setup
	@tools/build.sh $@ $(TARGET)
	@tools/test.sh $@ '$(T)'

fuzz:
	@tools/fuzz.sh $(F)

bench: setup
	@tools/build.sh bench
	@tools/bench.sh

roofline: setup
	@tools/build.sh release r1
	@tools/roofline.sh

schemathesis: setup
	@tools/build.sh release r1
	@tools/schemathesis.sh $(N)

lm-eval: setup
	@tools/build.sh release r1
	@tools/lm_eval.sh $(N)

arm64: setup
	@tools/test_arm64.sh

portable: setup
	@tools/build.sh portable

setup:
	@tools/setup.sh

clean:
	rm -rf build
