# Only calls scripts, each of which works alone.
.PHONY: demo test

demo:  ## set up, then the recipe on synthetic speech, to its report
	@tools/install.sh && egs/synth/ssl1/run.sh

test:  ## set up, then all tests
	@tools/install.sh && tools/test.sh
