# The few commands a person needs. The real build is CMake's: see CMakePresets.json.
.PHONY: help setup build packages test lint picture metrics format demo clean

help:
	@echo 'make demo      set up, build, and run the main job from registry to container'
	@echo 'make test      set up, build and run every test'
	@echo 'make build     build the release programs into build/release/bin'
	@echo 'make packages  Debian packages of the release build, into build/release/packages'
	@echo 'make lint      layers, rooms, sizes, widths, formatting, scripts, paths in documents'
	@echo 'make picture   folders, rooms and who includes whom, into build/picture'
	@echo 'make metrics   comments, sizes and tests in figures, beside those of known projects'
	@echo 'make format    let clang-format rewrite the sources'
	@echo 'make clean     remove build/'

setup:
	@scripts/install-packages

build: setup
	@cmake --preset release > /dev/null
	@cmake --build --preset release
	@scripts/build-guest-image build/release

packages: build
	@scripts/build-packages build/release

test: setup
	@scripts/run-tests

lint: setup
	@tests/lint/check_layers.py .
	@tests/lint/check_sources.py .
	@tests/lint/check_attacks.py .
	@tests/lint/check_docs.py .
	@tests/lint/check_messages.py .
	@tests/lint/check_width.py .
	@tests/lint/check_format.sh
	@tests/lint/check_shell.sh

picture:
	@scripts/picture

metrics:
	@scripts/metrics

format: setup
	@git ls-files '*.h' '*.cpp' | xargs -r clang-format-14 -i

demo: build
	@scripts/demo/run

clean:
	@rm -rf build
