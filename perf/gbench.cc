// SPDX-License-Identifier: BSD-3-Clause
// Google Benchmark behind the C functions of gbench.h: a struct gbench is a benchmark::State.
#include "gbench.h"

#include <benchmark/benchmark.h>

#include "measure.h"

namespace
{

bool failed;

benchmark::State &state(struct gbench *b)
{
	return *reinterpret_cast<benchmark::State *>(b);
}

} // namespace

void gbench_add(const char *name, gbench_fn *fn, void *arg)
{
	benchmark::RegisterBenchmark(name,
		[fn, arg](benchmark::State &s) { fn(reinterpret_cast<struct gbench *>(&s), arg); });
}

bool gbench_next(struct gbench *b)
{
	return state(b).KeepRunning();
}

void gbench_pause(struct gbench *b)
{
	state(b).PauseTiming();
}

void gbench_resume(struct gbench *b)
{
	state(b).ResumeTiming();
}

void gbench_items(struct gbench *b, size_t items)
{
	state(b).SetItemsProcessed(static_cast<int64_t>(items));
}

void gbench_counter(struct gbench *b, const char *name, double value)
{
	state(b).counters[name] = value;
}

void gbench_label(struct gbench *b, const char *label)
{
	state(b).SetLabel(label);
}

void gbench_fail(struct gbench *b, const char *why)
{
	failed = true;
	state(b).SkipWithError(why);
}

int gbench_run(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	measure_alone();
	size_t ran = benchmark::RunSpecifiedBenchmarks();
	measure_among_others();
	benchmark::Shutdown();
	return ran == 0 || failed ? 1 : 0;
}
