from paddle_wwm.cpu import mkl_cpu_type

AMD = """\
processor\t: 0
vendor_id\t: AuthenticAMD
flags\t\t: fpu sse2 avx avx2 fma avx512f
"""


def test_an_amd_processor_with_avx2_uses_the_avx2_path_of_mkl():
    assert mkl_cpu_type(AMD) == "5"


def test_an_amd_processor_without_fma_uses_the_default_of_mkl():
    assert mkl_cpu_type(AMD.replace(" fma", "")) is None


def test_an_intel_processor_uses_the_default_of_mkl():
    assert mkl_cpu_type(AMD.replace("AuthenticAMD", "GenuineIntel")) is None


def test_a_processor_without_these_fields_uses_the_default_of_mkl():
    assert mkl_cpu_type("Processor\t: ARMv8\nFeatures\t: fp asimd\n") is None
