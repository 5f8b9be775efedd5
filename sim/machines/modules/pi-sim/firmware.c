// SPDX-License-Identifier: GPL-2.0
/*
 * The firmware's throttling word, behind the devices that Raspberry Pi's kernels offer (drivers/char/broadcom/vcio.c
 * there) and behind the rpi_volt alarm of all kernels (drivers/hwmon/raspberrypi-hwmon.c).
 */
#include <linux/fs.h>
#include <linux/hwmon.h>
#include <linux/ioctl.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "pi-sim.h"

#define IOCTL_MBOX_PROPERTY _IOWR(100, 0, char *)
#define MBOX_SUCCESS 0x80000000
#define TAG_THROTTLED 0x00030046
#define TAG_GENCMD 0x00030080
#define UNDER_VOLTAGE_STICKY BIT(16)

static bool vcio = true;
module_param(vcio, bool, 0444);
MODULE_PARM_DESC(vcio, "offer /dev/vcio");
static bool vcio_gencmd = true;
module_param(vcio_gencmd, bool, 0444);
MODULE_PARM_DESC(vcio_gencmd, "offer /dev/vcio_gencmd");
static bool rpi_volt = true;
module_param(rpi_volt, bool, 0444);
MODULE_PARM_DESC(rpi_volt, "offer the hwmon device rpi_volt");
static int mailbox_error;
module_param(mailbox_error, int, 0644);
MODULE_PARM_DESC(mailbox_error, "errno with which requests fail; 22 is what the kernel makes of a firmware without an answer");
static unsigned int mailbox_requests;
module_param(mailbox_requests, uint, 0444);
static unsigned int throttled_cleared;
module_param(throttled_cleared, uint, 0444);
MODULE_PARM_DESC(throttled_cleared, "every history bit that a program has asked to clear");
static unsigned long arm_clock = 1500000000;
module_param(arm_clock, ulong, 0644);
MODULE_PARM_DESC(arm_clock, "what measure_clock arm answers, hertz");

/* The word: four bits for now, and their history 16 bits further up. */
static DEFINE_MUTEX(word_lock);
static u32 now, history;

/* Like the firmware: what still holds is history again at once. */
static u32 read_word(u32 clear)
{
	u32 word;

	mutex_lock(&word_lock);
	word = now | history << 16;
	history = (history & ~clear) | now;
	mutex_unlock(&word_lock);
	return word;
}

static int throttled_set(const char *text, const struct kernel_param *param)
{
	u32 value;
	int ret = kstrtou32(text, 0, &value);

	if (ret || value > 0xf)
		return -EINVAL;
	mutex_lock(&word_lock);
	now = value;
	history |= now;
	mutex_unlock(&word_lock);
	return 0;
}

static int throttled_get(char *text, const struct kernel_param *param)
{
	return sprintf(text, "0x%x\n", read_word(0));
}

static const struct kernel_param_ops throttled_ops = { .set = throttled_set, .get = throttled_get };
module_param_cb(throttled, &throttled_ops, NULL, 0644);
MODULE_PARM_DESC(throttled, "write bits 0 to 3 as they are now; reads as the whole word");

static u32 asked_word(const char *device, u32 tag, u32 clear)
{
	u32 word;

	throttled_cleared |= clear;
	word = read_word(clear);
	record_mailbox("%s tag 0x%08x clear 0x%08x answer 0x%08x\n", device, tag, clear, word);
	return word;
}

/* The text of a gencmd: question in, answer out, in the same buffer of at least 128 bytes. */
static void gencmd(const char *device, char *text, size_t size)
{
	unsigned int clear = 0;
	int celsius = thermal_millicelsius() / 100;

	text[size - 1] = 0;
	if (!strncmp(text, "get_throttled", 13)) {
		if (sscanf(text + 13, " %x", &clear) < 1)
			clear = 0;
		scnprintf(text, size, "throttled=0x%x", asked_word(device, TAG_GENCMD, clear));
		return;
	}
	record_mailbox("%s tag 0x%08x command %.40s\n", device, TAG_GENCMD, text);
	if (!strcmp(text, "measure_temp"))
		scnprintf(text, size, "temp=%d.%d'C", celsius / 10, celsius % 10);
	else if (!strcmp(text, "measure_clock arm"))
		scnprintf(text, size, "frequency(48)=%lu", arm_clock);
	else
		scnprintf(text, size, "error=1 error_msg=\"Command not registered\"");
}

/* Answers the tags of a message, which begins after the two words of its head. */
static int answer(const char *device, bool only_gencmd, u32 *tags, size_t words)
{
	size_t at = 0;

	while (at < words && tags[at]) {
		u32 *value = tags + at + 3;
		size_t room;

		if (words - at < 4)
			return -EINVAL;
		room = tags[at + 1] / 4;
		if (room > words - at - 3)
			return -EINVAL;
		if (only_gencmd && tags[at] != TAG_GENCMD) {
			pr_warn("%s: tag 0x%08x is not allowed\n", device, tags[at]);
			record_mailbox("%s tag 0x%08x refused\n", device, tags[at]);
			return -EPERM;
		}
		if (tags[at] == TAG_THROTTLED && room >= 1) {
			value[0] = asked_word(device, TAG_THROTTLED, value[0]);
			tags[at + 2] = MBOX_SUCCESS | 4;
		} else if (tags[at] == TAG_GENCMD && room >= 33) {
			value[0] = 0;
			gencmd(device, (char *)(value + 1), (room - 1) * 4);
			tags[at + 2] = MBOX_SUCCESS | tags[at + 1];
		} else {
			record_mailbox("%s tag 0x%08x unknown\n", device, tags[at]);
			return -EINVAL;
		}
		at += 3 + room;
	}
	return 0;
}

static long property(struct file *file, const char *device, bool only_gencmd, unsigned int request, unsigned long argument)
{
	u32 __user *user = (u32 __user *)argument;
	u32 *message, size;
	long ret;

	if (request != IOCTL_MBOX_PROPERTY)
		return -EINVAL;
	if (get_user(size, user))
		return -EFAULT;
	if (size < 12 || size > SZ_1M || size % 4)
		return -EINVAL;
	message = memdup_user(user, size);
	if (IS_ERR(message))
		return PTR_ERR(message);
	mailbox_requests++;
	ret = -mailbox_error;
	if (!ret)
		ret = answer(device, only_gencmd, message + 2, size / 4 - 2);
	if (!ret) {
		message[1] = MBOX_SUCCESS;
		if (copy_to_user(user, message, size))
			ret = -EFAULT;
	}
	kfree(message);
	return ret;
}

static long vcio_ioctl(struct file *file, unsigned int request, unsigned long argument)
{
	return property(file, "vcio", false, request, argument);
}

static long vcio_gencmd_ioctl(struct file *file, unsigned int request, unsigned long argument)
{
	return property(file, "vcio_gencmd", true, request, argument);
}

static const struct file_operations vcio_operations = { .owner = THIS_MODULE, .unlocked_ioctl = vcio_ioctl };
static const struct file_operations vcio_gencmd_operations = { .owner = THIS_MODULE, .unlocked_ioctl = vcio_gencmd_ioctl };
static struct miscdevice vcio_device = { .minor = MISC_DYNAMIC_MINOR, .name = "vcio", .fops = &vcio_operations };
static struct miscdevice vcio_gencmd_device = { .minor = MISC_DYNAMIC_MINOR, .name = "vcio_gencmd", .fops = &vcio_gencmd_operations };

/* rpi_volt: the kernel clears all history every two seconds and remembers what it was. */
static struct device *volt;
static bool alarm;
static void volt_poll(struct work_struct *work);
static DECLARE_DELAYED_WORK(volt_work, volt_poll);

static void volt_poll(struct work_struct *work)
{
	bool dipped = read_word(0xffff) & UNDER_VOLTAGE_STICKY;

	if (dipped != alarm) {
		alarm = dipped;
		hwmon_notify_event(volt, hwmon_in, hwmon_in_lcrit_alarm, 0);
	}
	schedule_delayed_work(&volt_work, 2 * HZ);
}

static umode_t volt_visible(const void *data, enum hwmon_sensor_types type, u32 attribute, int channel)
{
	return 0444;
}

static int volt_read(struct device *device, enum hwmon_sensor_types type, u32 attribute, int channel, long *value)
{
	*value = alarm;
	return 0;
}

static const struct hwmon_channel_info *volt_channels[] = { HWMON_CHANNEL_INFO(in, HWMON_I_LCRIT_ALARM), NULL };
static const struct hwmon_ops volt_ops = { .is_visible = volt_visible, .read = volt_read };
static const struct hwmon_chip_info volt_chip = { .ops = &volt_ops, .info = volt_channels };

int firmware_init(struct device *parent)
{
	int ret = 0;

	if (vcio)
		ret = misc_register(&vcio_device);
	if (ret)
		return ret;
	if (vcio_gencmd)
		ret = misc_register(&vcio_gencmd_device);
	if (ret)
		goto no_gencmd;
	if (!rpi_volt)
		return 0;
	volt = hwmon_device_register_with_info(parent, "rpi_volt", NULL, &volt_chip, NULL);
	if (IS_ERR(volt)) {
		ret = PTR_ERR(volt);
		goto no_volt;
	}
	schedule_delayed_work(&volt_work, 2 * HZ);
	return 0;

no_volt:
	if (vcio_gencmd)
		misc_deregister(&vcio_gencmd_device);
no_gencmd:
	if (vcio)
		misc_deregister(&vcio_device);
	return ret;
}

void firmware_exit(void)
{
	if (rpi_volt) {
		cancel_delayed_work_sync(&volt_work);
		hwmon_device_unregister(volt);
	}
	if (vcio_gencmd)
		misc_deregister(&vcio_gencmd_device);
	if (vcio)
		misc_deregister(&vcio_device);
}
