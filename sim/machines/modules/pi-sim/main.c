// SPDX-License-Identifier: GPL-2.0
/* pi-sim: what a Raspberry Pi has and a PC has not, for tests. See README. */
#include <linux/module.h>
#include <linux/platform_device.h>

#include "pi-sim.h"

static struct platform_device *soc;

static int __init pi_sim_init(void)
{
	int ret;

	soc = platform_device_register_simple("pi-sim", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(soc))
		return PTR_ERR(soc);
	ret = records_init();
	if (ret)
		goto no_records;
	ret = thermal_init();
	if (ret)
		goto no_thermal;
	ret = firmware_init(&soc->dev);
	if (ret)
		goto no_firmware;
	ret = pwm_init();
	if (ret)
		goto no_pwm;
	ret = fan_init();
	if (ret)
		goto no_fan;
	ret = tach_init(&soc->dev);
	if (!ret)
		return 0;

	fan_exit();
no_fan:
	pwm_exit();
no_pwm:
	firmware_exit();
no_firmware:
	thermal_exit();
no_thermal:
	records_exit();
no_records:
	platform_device_unregister(soc);
	return ret;
}

static void __exit pi_sim_exit(void)
{
	tach_exit();
	fan_exit();
	pwm_exit();
	firmware_exit();
	thermal_exit();
	records_exit();
	platform_device_unregister(soc);
}

module_init(pi_sim_init);
module_exit(pi_sim_exit);
MODULE_DESCRIPTION("Simulated Raspberry Pi hardware for tests");
MODULE_LICENSE("GPL");
