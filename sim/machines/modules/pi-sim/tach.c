// SPDX-License-Identifier: GPL-2.0
/*
 * The header's GPIO chip. One line is the fan's tachometer: open collector, two pulses a revolution, timed by an
 * hrtimer, so that the interrupt handler's stamps are as good as the timer. The others are what programs make of them.
 */
#include <linux/gpio/driver.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/module.h>
#include <linux/pinctrl/pinconf-generic.h>

#include "pi-sim.h"

#define LINES 58 /* of a Pi 4 */
#define PULSES 2
#define IDLE_NS (20 * NSEC_PER_MSEC) /* how often a standing fan is looked at */

static char *gpio_label = "pinctrl-bcm2711";
module_param(gpio_label, charp, 0444);
MODULE_PARM_DESC(gpio_label, "label of the GPIO chip");
static unsigned int tach_line = 24;
module_param(tach_line, uint, 0444);
MODULE_PARM_DESC(tach_line, "line of the tachometer");

static struct gpio_chip chip;
static struct hrtimer timer;
static DECLARE_BITMAP(outputs, LINES);
static DECLARE_BITMAP(levels, LINES);
static DECLARE_BITMAP(unmasked, LINES);
static unsigned int edges[LINES]; /* IRQ_TYPE_EDGE_ */
static char names[LINES][8];
static const char *name_list[LINES];

static int get_direction(struct gpio_chip *gc, unsigned int line)
{
	return test_bit(line, outputs) ? GPIO_LINE_DIRECTION_OUT : GPIO_LINE_DIRECTION_IN;
}

/* An input that nothing drives reads its pull, which is up here. */
static int direction_input(struct gpio_chip *gc, unsigned int line)
{
	clear_bit(line, outputs);
	if (line != tach_line)
		set_bit(line, levels);
	return 0;
}

static void set(struct gpio_chip *gc, unsigned int line, int value)
{
	assign_bit(line, levels, value);
}

static int direction_output(struct gpio_chip *gc, unsigned int line, int value)
{
	if (line == tach_line) /* the fan and a push-pull output would fight */
		return -EINVAL;
	set_bit(line, outputs);
	set(gc, line, value);
	return 0;
}

static int get(struct gpio_chip *gc, unsigned int line)
{
	return test_bit(line, levels);
}

static int set_config(struct gpio_chip *gc, unsigned int line, unsigned long config)
{
	switch (pinconf_to_config_param(config)) {
	case PIN_CONFIG_BIAS_DISABLE:
	case PIN_CONFIG_BIAS_PULL_UP:
	case PIN_CONFIG_BIAS_PULL_DOWN:
		return 0;
	default:
		return -ENOTSUPP;
	}
}

/* As bcm2835_pmx_free does: a line that is let go becomes an input. */
static void free_line(struct gpio_chip *gc, unsigned int line)
{
	direction_input(gc, line);
}

static void irq_mask(struct irq_data *data)
{
	clear_bit(irqd_to_hwirq(data), unmasked);
	gpiochip_disable_irq(&chip, irqd_to_hwirq(data));
}

static void irq_unmask(struct irq_data *data)
{
	gpiochip_enable_irq(&chip, irqd_to_hwirq(data));
	set_bit(irqd_to_hwirq(data), unmasked);
}

static int irq_set_type(struct irq_data *data, unsigned int type)
{
	if (type & ~IRQ_TYPE_EDGE_BOTH)
		return -EINVAL;
	edges[irqd_to_hwirq(data)] = type;
	return 0;
}

static const struct irq_chip irq_chip = {
	.name = "pi-sim",
	.irq_mask = irq_mask,
	.irq_unmask = irq_unmask,
	.irq_set_type = irq_set_type,
	.flags = IRQCHIP_IMMUTABLE,
	GPIOCHIP_IRQ_RESOURCE_HELPERS,
};

static enum hrtimer_restart tick(struct hrtimer *t)
{
	unsigned int rpm = fan_speed();
	u64 half;

	if (!rpm) {
		hrtimer_forward_now(t, ns_to_ktime(IDLE_NS));
		return HRTIMER_RESTART;
	}
	change_bit(tach_line, levels);
	if (test_bit(tach_line, unmasked) &&
	    edges[tach_line] & (test_bit(tach_line, levels) ? IRQ_TYPE_EDGE_RISING : IRQ_TYPE_EDGE_FALLING))
		generic_handle_domain_irq(chip.irq.domain, tach_line);
	half = div64_u64(60ULL * NSEC_PER_SEC, (u64)rpm * PULSES * 2);
	hrtimer_forward_now(t, ns_to_ktime(half));
	return HRTIMER_RESTART;
}

int tach_init(struct device *parent)
{
	int ret, line;

	if (tach_line >= LINES)
		return -EINVAL;
	for (line = 0; line < LINES; line++) {
		scnprintf(names[line], sizeof(names[line]), "GPIO%d", line);
		name_list[line] = names[line];
	}
	name_list[2] = "SDA1";
	name_list[3] = "SCL1";
	bitmap_fill(levels, LINES);
	chip.label = gpio_label;
	chip.parent = parent;
	chip.owner = THIS_MODULE;
	chip.base = -1;
	chip.ngpio = LINES;
	chip.names = name_list;
	chip.get_direction = get_direction;
	chip.direction_input = direction_input;
	chip.direction_output = direction_output;
	chip.get = get;
	chip.set = set;
	chip.set_config = set_config;
	chip.free = free_line;
	gpio_irq_chip_set_chip(&chip.irq, &irq_chip);
	chip.irq.handler = handle_simple_irq;
	chip.irq.default_type = IRQ_TYPE_NONE;
	ret = gpiochip_add_data(&chip, NULL);
	if (ret)
		return ret;
	/* Hard, for the handler takes its stamps in an interrupt. */
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	timer.function = tick;
	hrtimer_start(&timer, ns_to_ktime(IDLE_NS), HRTIMER_MODE_REL_HARD);
	return 0;
}

void tach_exit(void)
{
	hrtimer_cancel(&timer);
	gpiochip_remove(&chip);
}
