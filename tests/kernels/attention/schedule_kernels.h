// find_work of kernels/attention/schedule.cuh, asked by every block of a launch.
#ifndef MM1_TESTS_ATTENTION_SCHEDULE_KERNELS_H
#define MM1_TESTS_ATTENTION_SCHEDULE_KERNELS_H

#include "attention/attention.h"

// found[4 * b ..]: document, tile, head and 1 of block b; all zero but the document (-1) where there is none.
mm1_status launch_find_work(const mm1::AttentionAxis& axis, const mm1::AttentionOrder& order, bool from_end, int32_t* found);

#endif  // MM1_TESTS_ATTENTION_SCHEDULE_KERNELS_H
