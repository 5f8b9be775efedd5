// SPDX-License-Identifier: GPL-2.0
/* Two thermal zones. The GPU's comes first, so that reading zone 0 is reading the wrong one. */
#include <linux/module.h>
#include <linux/thermal.h>

#include "pi-sim.h"

static int temp = 45000;
module_param(temp, int, 0644);
MODULE_PARM_DESC(temp, "of zone cpu-thermal, millidegrees Celsius");
static int temp_error;
module_param(temp_error, int, 0644);
MODULE_PARM_DESC(temp_error, "errno with which its reads fail; 0: none");
static int gpu_temp = 30000;
module_param(gpu_temp, int, 0644);
MODULE_PARM_DESC(gpu_temp, "of zone gpu-thermal, millidegrees Celsius");
static int gpu_temp_error;
module_param(gpu_temp_error, int, 0644);
MODULE_PARM_DESC(gpu_temp_error, "errno with which its reads fail; 0: none");

static struct thermal_zone_device *cpu, *gpu;

int thermal_millicelsius(void)
{
	return temp;
}

static int cpu_get_temp(struct thermal_zone_device *zone, int *value)
{
	*value = temp;
	return -temp_error;
}

static int gpu_get_temp(struct thermal_zone_device *zone, int *value)
{
	*value = gpu_temp;
	return -gpu_temp_error;
}

static struct thermal_zone_device_ops cpu_ops = { .get_temp = cpu_get_temp };
static struct thermal_zone_device_ops gpu_ops = { .get_temp = gpu_get_temp };

int thermal_init(void)
{
	gpu = thermal_zone_device_register("gpu-thermal", 0, 0, NULL, &gpu_ops, NULL, 0, 0);
	if (IS_ERR(gpu))
		return PTR_ERR(gpu);
	cpu = thermal_zone_device_register("cpu-thermal", 0, 0, NULL, &cpu_ops, NULL, 0, 0);
	if (IS_ERR(cpu)) {
		thermal_zone_device_unregister(gpu);
		return PTR_ERR(cpu);
	}
	thermal_zone_device_enable(gpu);
	thermal_zone_device_enable(cpu);
	return 0;
}

void thermal_exit(void)
{
	thermal_zone_device_unregister(cpu);
	thermal_zone_device_unregister(gpu);
}
