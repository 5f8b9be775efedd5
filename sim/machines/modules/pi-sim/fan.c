// SPDX-License-Identifier: GPL-2.0
/*
 * Two fans without inertia: one on the wire of the header's PWM chip, whose speed the tach reports, and one that a
 * kernel driver owns and shows in hwmon, as pwm-fan does for the fan connector of a Pi 5.
 */
#include <linux/hwmon.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/spinlock.h>

#include "pi-sim.h"

static unsigned int fan_max_rpm = 5000;
module_param(fan_max_rpm, uint, 0644);
MODULE_PARM_DESC(fan_max_rpm, "speed of both fans at full duty");
static bool fan_inverted;
module_param(fan_inverted, bool, 0644);
MODULE_PARM_DESC(fan_inverted, "a transistor sits between pin and fan: a high pin slows it");
static bool fan_stalled;
module_param(fan_stalled, bool, 0644);
MODULE_PARM_DESC(fan_stalled, "something holds the fan on the PWM wire");

static DEFINE_SPINLOCK(wire_lock);
static u64 wire_period, wire_high; /* nanoseconds; a period of 0: nobody drives the wire */

void fan_wire(u64 period, u64 duty, bool inversed, bool enabled)
{
	unsigned long flags;

	spin_lock_irqsave(&wire_lock, flags);
	wire_period = period;
	wire_high = !enabled ? 0 : inversed ? period - duty : duty;
	spin_unlock_irqrestore(&wire_lock, flags);
}

/* A wire that nobody drives is pulled to full speed inside the fan. */
unsigned int fan_speed(void)
{
	unsigned long flags;
	u64 period, active;

	spin_lock_irqsave(&wire_lock, flags);
	period = wire_period;
	active = fan_inverted ? wire_period - wire_high : wire_high;
	spin_unlock_irqrestore(&wire_lock, flags);
	if (fan_stalled)
		return 0;
	if (!period)
		return fan_max_rpm;
	return div64_u64(active * fan_max_rpm, period);
}

static int rpm_get(char *text, const struct kernel_param *param)
{
	return sprintf(text, "%u\n", fan_speed());
}

static const struct kernel_param_ops rpm_ops = { .get = rpm_get };
module_param_cb(fan_rpm, &rpm_ops, NULL, 0444);
MODULE_PARM_DESC(fan_rpm, "speed of the fan on the PWM wire now");

/* The fan in hwmon. Mode 0 stops it and ignores its pwm1, as in pwm-fan.c. */
static struct platform_device *cooling;
static struct device *hwmon;
static long cooling_pwm = 128, cooling_mode = 1;

static umode_t cooling_visible(const void *data, enum hwmon_sensor_types type, u32 attribute, int channel)
{
	return type == hwmon_pwm ? 0644 : 0444;
}

static int cooling_read(struct device *device, enum hwmon_sensor_types type, u32 attribute, int channel, long *value)
{
	if (type == hwmon_fan)
		*value = cooling_mode ? cooling_pwm * fan_max_rpm / 255 : 0;
	else
		*value = attribute == hwmon_pwm_enable ? cooling_mode : cooling_pwm;
	return 0;
}

static int cooling_write(struct device *device, enum hwmon_sensor_types type, u32 attribute, int channel, long value)
{
	if (value < 0 || value > (attribute == hwmon_pwm_enable ? 3 : 255))
		return -EINVAL;
	if (attribute == hwmon_pwm_enable)
		cooling_mode = value;
	else
		cooling_pwm = value;
	return 0;
}

static const struct hwmon_channel_info *cooling_channels[] = {
	HWMON_CHANNEL_INFO(pwm, HWMON_PWM_INPUT | HWMON_PWM_ENABLE),
	HWMON_CHANNEL_INFO(fan, HWMON_F_INPUT),
	NULL
};
static const struct hwmon_ops cooling_ops = {
	.is_visible = cooling_visible,
	.read = cooling_read,
	.write = cooling_write,
};
static const struct hwmon_chip_info cooling_chip = { .ops = &cooling_ops, .info = cooling_channels };

int fan_init(void)
{
	cooling = platform_device_register_simple("cooling_fan", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(cooling))
		return PTR_ERR(cooling);
	hwmon = hwmon_device_register_with_info(&cooling->dev, "pwmfan", NULL, &cooling_chip, NULL);
	if (IS_ERR(hwmon)) {
		platform_device_unregister(cooling);
		return PTR_ERR(hwmon);
	}
	return 0;
}

void fan_exit(void)
{
	hwmon_device_unregister(hwmon);
	platform_device_unregister(cooling);
}
