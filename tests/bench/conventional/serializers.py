"""What may be posted, and what is answered."""

from typing import Any

from rest_framework import serializers

from tests.bench.conventional.models import Email


class EmailListSerializer(serializers.ListSerializer[list[Email]]):
    """Many at once, in one INSERT."""

    def create(self, validated_data: list[dict[str, Any]]) -> list[Email]:
        return Email.objects.bulk_create([Email(**values) for values in validated_data])


class EmailSerializer(serializers.ModelSerializer[Email]):
    """One email."""

    to = serializers.ListField(child=serializers.EmailField(), min_length=1, max_length=50)

    class Meta:
        model = Email
        fields = ["id", "from_email", "to", "subject", "html", "text", "status", "created_at"]
        read_only_fields = ["id", "status", "created_at"]
        list_serializer_class = EmailListSerializer
