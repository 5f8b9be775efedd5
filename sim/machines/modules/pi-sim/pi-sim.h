/* SPDX-License-Identifier: GPL-2.0 */
/* pi-sim: what a Raspberry Pi has and a PC has not, for tests. See README. */
#ifndef PI_SIM_H
#define PI_SIM_H

#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/types.h>

/* A text that tests read in debugfs; writing to it empties it. */
struct record {
	struct mutex lock;
	size_t length;
	char text[1 << 16];
};

int records_init(void);
void records_exit(void);
void record_pwm(const char *format, ...) __printf(1, 2);
void record_mailbox(const char *format, ...) __printf(1, 2);

int thermal_init(void);
void thermal_exit(void);

int firmware_init(struct device *parent);
void firmware_exit(void);
int thermal_millicelsius(void);

int pwm_init(void);
void pwm_exit(void);

/* The fan on the PWM wire. Channel state in nanoseconds; before the first call nobody drives its wire. */
void fan_wire(u64 period, u64 duty, bool inversed, bool enabled);
unsigned int fan_speed(void); /* rpm */
int fan_init(void);
void fan_exit(void);

int tach_init(struct device *parent);
void tach_exit(void);

#endif
