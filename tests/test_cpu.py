from paddle_wwm.cpu import mkl_cpu_type

AMD = """\
processor\t: 0
vendor_id\t: AuthenticAMD
flags\t\t: fpu sse2 avx avx2 fma avx512f
"""


def test_an_amd_processor_with_avx2_gets_mkls_avx2_path():
    assert mkl_cpu_type(AMD) == "5"


def test_an_amd_processor_without_fma_is_left_to_mkl():
    assert mkl_cpu_type(AMD.replace(" fma", "")) is None


def test_an_intel_processor_is_left_to_mkl():
    assert mkl_cpu_type(AMD.replace("AuthenticAMD", "GenuineIntel")) is None


def test_a_processor_without_such_fields_is_left_to_mkl():
    assert mkl_cpu_type("Processor\t: ARMv8\nFeatures\t: fp asimd\n") is None
