// SPDX-License-Identifier: GPL-2.0
/*
 * The two PWM chips of a Pi 4: the header's, fe20c000.pwm, and the one that makes sound, fe20c800.pwm. They take and
 * refuse what pwm-bcm2835.c does, and every request is recorded.
 */
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pwm.h>
#include <linux/sysfs.h>

#include "pi-sim.h"

#define RATE 10000000ULL /* of the clock on Debian's kernel for the Pi 3, hertz */
#define PERIOD_MIN 2 /* cycles, as in pwm-bcm2835.c */

static bool audio_first;
module_param(audio_first, bool, 0444);
MODULE_PARM_DESC(audio_first, "register the chip that makes sound before the header's, which changes the numbers of both");
static int pwm_error;
module_param(pwm_error, int, 0644);
MODULE_PARM_DESC(pwm_error, "errno with which the header's chip refuses everything; 0: none");
static bool pwm_normal_only;
module_param(pwm_normal_only, bool, 0644);
MODULE_PARM_DESC(pwm_normal_only, "refuse the polarity inversed");
static unsigned int fan_channel;
module_param(fan_channel, uint, 0444);
MODULE_PARM_DESC(fan_channel, "channel of the header's chip that drives the fan");

struct chip {
	struct pwm_chip pwm;
	struct platform_device *device;
	struct kobject *of_node;
	const char *name;
};

static struct chip header = { .name = "fe20c000.pwm" };
static struct chip audio = { .name = "fe20c800.pwm" };

static int check(struct chip *chip, const struct pwm_state *state)
{
	u64 cycles = DIV_ROUND_CLOSEST_ULL(state->period * RATE, NSEC_PER_SEC);

	if (chip == &header && pwm_error)
		return -pwm_error;
	if (state->polarity != PWM_POLARITY_NORMAL && pwm_normal_only)
		return -EINVAL;
	if (cycles < PERIOD_MIN || cycles > U32_MAX)
		return -EINVAL;
	return 0;
}

static int apply(struct pwm_chip *pwm_chip, struct pwm_device *device, const struct pwm_state *state)
{
	struct chip *chip = container_of(pwm_chip, struct chip, pwm);
	bool inversed = state->polarity != PWM_POLARITY_NORMAL;
	int ret = check(chip, state);

	record_pwm("%s channel %u period %llu duty %llu %s %s result %d\n", chip->name, device->hwpwm, state->period,
		   state->duty_cycle, inversed ? "inversed" : "normal", state->enabled ? "on" : "off", ret);
	if (!ret && chip == &header && device->hwpwm == fan_channel)
		fan_wire(state->period, state->duty_cycle, inversed, state->enabled);
	return ret;
}

static const struct pwm_ops operations = { .owner = THIS_MODULE, .apply = apply };

/* What the device tree would say, had a PC one. */
static ssize_t compatible_read(struct file *file, struct kobject *kobject, struct bin_attribute *attribute, char *to,
			       loff_t at, size_t count)
{
	static const char text[] = "brcm,bcm2711-pwm\0brcm,bcm2835-pwm";

	return memory_read_from_buffer(to, count, &at, text, sizeof(text));
}

static struct bin_attribute compatible = {
	.attr = { .name = "compatible", .mode = 0444 },
	.read = compatible_read,
};

static int chip_add(struct chip *chip)
{
	int ret = -ENOMEM;

	chip->device = platform_device_register_simple(chip->name, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(chip->device))
		return PTR_ERR(chip->device);
	chip->of_node = kobject_create_and_add("of_node", &chip->device->dev.kobj);
	if (!chip->of_node)
		goto no_node;
	ret = sysfs_create_bin_file(chip->of_node, &compatible);
	if (ret)
		goto no_chip;
	chip->pwm.dev = &chip->device->dev;
	chip->pwm.ops = &operations;
	chip->pwm.npwm = 2;
	ret = pwmchip_add(&chip->pwm);
	if (!ret)
		return 0;
no_chip:
	kobject_put(chip->of_node);
no_node:
	platform_device_unregister(chip->device);
	return ret;
}

static void chip_remove(struct chip *chip)
{
	pwmchip_remove(&chip->pwm);
	kobject_put(chip->of_node);
	platform_device_unregister(chip->device);
}

int pwm_init(void)
{
	struct chip *first = audio_first ? &audio : &header;
	struct chip *second = audio_first ? &header : &audio;
	int ret = chip_add(first);

	if (ret)
		return ret;
	ret = chip_add(second);
	if (ret)
		chip_remove(first);
	return ret;
}

void pwm_exit(void)
{
	chip_remove(&header);
	chip_remove(&audio);
}
