// SPDX-License-Identifier: GPL-2.0
/* What was asked of the simulated hardware, in its order, as text in debugfs. */
#include <linux/debugfs.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pi-sim.h"

static struct record pwm_record, mailbox_record;
static struct dentry *folder;

static void append(struct record *record, const char *format, va_list args)
{
	size_t room;

	mutex_lock(&record->lock);
	/* The older half goes when it is full, at the end of a line. */
	if (record->length > sizeof(record->text) - 256) {
		char *half = memchr(record->text + record->length / 2, '\n', record->length / 2);
		size_t dropped = half ? half + 1 - record->text : record->length;

		memmove(record->text, record->text + dropped, record->length - dropped);
		record->length -= dropped;
	}
	room = sizeof(record->text) - record->length;
	record->length += scnprintf(record->text + record->length, room, "%lld ", ktime_to_us(ktime_get()));
	room = sizeof(record->text) - record->length;
	record->length += vscnprintf(record->text + record->length, room, format, args);
	mutex_unlock(&record->lock);
}

void record_pwm(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	append(&pwm_record, format, args);
	va_end(args);
}

void record_mailbox(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	append(&mailbox_record, format, args);
	va_end(args);
}

static ssize_t record_read(struct file *file, char __user *to, size_t count, loff_t *at)
{
	struct record *record = file->private_data;
	ssize_t ret;

	mutex_lock(&record->lock);
	ret = simple_read_from_buffer(to, count, at, record->text, record->length);
	mutex_unlock(&record->lock);
	return ret;
}

static ssize_t record_write(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	struct record *record = file->private_data;

	mutex_lock(&record->lock);
	record->length = 0;
	mutex_unlock(&record->lock);
	return count;
}

static const struct file_operations record_operations = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = record_read,
	.write = record_write,
	.llseek = default_llseek,
};

int records_init(void)
{
	mutex_init(&pwm_record.lock);
	mutex_init(&mailbox_record.lock);
	folder = debugfs_create_dir("pi-sim", NULL);
	debugfs_create_file("pwm", 0600, folder, &pwm_record, &record_operations);
	debugfs_create_file("mailbox", 0600, folder, &mailbox_record, &record_operations);
	return PTR_ERR_OR_ZERO(folder);
}

void records_exit(void)
{
	debugfs_remove_recursive(folder);
}
